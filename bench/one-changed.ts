/**
 * A push of a version of 1,000,000 files of which one changed, to a server on loopback: requests, and
 * bytes of their bodies, the manifest and its list of pieces included. The files have few contents, so
 * that nearly all of a version is its manifest.
 *
 *     npm run build && node dist/bench/one-changed.js [--files 1000000]
 */
import { join } from 'node:path'
import { logListing } from '../fixtures/log-listing.js'
import { startProxy } from '../fixtures/references/proxy.js'
import { openHttpRemote } from '../src/remote/http-remote.js'
import { openStore } from '../src/store/store.js'
import { pushPending } from '../src/sync/push.js'
import { describeMachine, makeWorkFolder, readOptions, startServer } from './harness.js'

const { files } = readOptions({ files: 1_000_000 })
const work = makeWorkFolder('one-changed')
const server = await startServer(join(work.path, 'server'))
const closing: (() => unknown)[] = []
const proxy = await startProxy({ teardown: close => closing.push(close) }, server.url)
const store = openStore(join(work.path, 'home'))
try {
  console.log(`${files} files; ${describeMachine()}\n`)
  console.log('| version | requests | sent, KiB | received, KiB | seconds | server, peak MiB |')
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const [version, changed] of [
    ['first', undefined],
    ['one file changed', files >> 1],
  ] as const) {
    await logListing(store, { files, ...(changed !== undefined && { changed }) })
    Object.assign(proxy, { uploaded: 0, downloaded: 0 })
    proxy.requests.splice(0)
    const started = performance.now()
    const report = await pushPending(store, url => openHttpRemote({ url }), {
      defaultRemote: proxy.url,
    })
    if (report.synced.length !== 1) throw new Error(JSON.stringify(report))
    const seconds = ((performance.now() - started) / 1000).toFixed(2)
    const kib = [proxy.uploaded, proxy.downloaded].map(bytes => (bytes / 1024).toFixed(0))
    const cells = [version, proxy.requests.length, ...kib, seconds]
    cells.push(Math.round(server.usage().peakMiB))
    console.log(`| ${cells.join(' | ')} |`)
  }
} finally {
  await store.close()
  for (const close of closing) close()
  await server.stop()
  work.remove()
}
