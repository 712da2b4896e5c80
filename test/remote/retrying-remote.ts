import t from 'tap'
import { startFakeServer } from '../../fixtures/server/fake-server.js'
import { makeVersion, recordsOf } from '../../fixtures/server/make-version.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { ArtifactError } from '../../src/errors.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import type { Remote } from '../../src/remote/remote.js'
import { retryRemote } from '../../src/remote/retrying-remote.js'
import { receiveRecords } from '../../src/store/receive-records.js'

const STORE = '0123456789abcdef0123456789abcdef'

t.test('what may succeed later is tried again', async t => {
  let failures = 2
  const { url, count } = await startFakeServer(t, (_, response) => {
    response.writeHead(failures-- > 0 ? 503 : 200, { 'artifactd-store': STORE })
    response.end(
      JSON.stringify({
        storeId: STORE,
        protocol: { min: 1, max: 1 },
        digests: ['md5', 'a-later-one'],
        entity: 'default',
      }),
    )
  })
  const remote = retryRemote(openHttpRemote({ url }), { retries: 1 })
  t.equal(remote.url, url)
  await t.rejects(remote.capabilities(), { code: 'REMOTE_FAILED' })
  t.equal(count(), 2, 'not more often than asked')
  t.same((await remote.capabilities()).digests, ['md5'], 'algorithms from later are left out')
})

t.test('a server that says when is asked again no earlier, within bounds', async t => {
  const answers: [number, Record<string, string>, string][] = [
    [429, { 'retry-after': '7' }, ''],
    [503, { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() }, ''],
    [503, { 'retry-after': '2' }, '{"error":{"code":"STORE_BUSY","message":"x"}}'],
    [503, {}, ''],
  ]
  const { url, count } = await startFakeServer(t, (_, response) => {
    const [status, headers, body] = answers.shift() ?? [400, {}, '']
    response.writeHead(status, headers).end(body)
  })
  const waits: number[] = []
  const wait = async (ms: number) => waits.push(ms)
  const remote = retryRemote(openHttpRemote({ url }), { retries: 3, wait })
  await t.rejects(remote.capabilities(), { code: 'REMOTE_FAILED', details: { status: 503 } })
  t.same(waits, [7000, 60_000, 2000])
  t.equal(count(), 4)
})

t.test('what cannot succeed is not', async t => {
  const { url, count } = await startFakeServer(t, (_, response) => {
    response.writeHead(401).end()
  })
  const remote = retryRemote(openHttpRemote({ url }))
  await t.rejects(remote.capabilities(), { code: 'REMOTE_UNAUTHORIZED' })
  t.equal(count(), 1)
})

t.test('a signal ends the pause', async t => {
  const { url } = await startFakeServer(t, (_, response) => {
    response.writeHead(500).end()
  })
  const abort = new AbortController()
  const remote = retryRemote(openHttpRemote({ url }), { retries: 1000 })
  const call = remote.capabilities({ signal: abort.signal })
  setTimeout(() => abort.abort(), 50)
  await t.rejects(call, { code: 'INTERRUPTED' })
})

/** Fails the first `failures` transfers: a fetch before or after what came first. */
function breakTransfers(remote: Remote, { failures, after }: { failures: number; after: number }) {
  const attempts = { send: 0, fetch: 0 }
  const cut = () => new ArtifactError('REMOTE_UNREACHABLE', 'cut')
  const broken: Remote = {
    url: remote.url,
    capabilities: options => remote.capabilities(options),
    commit: (collection, items, options) => remote.commit(collection, items, options),
    listMissing: (entity, keys, options) => remote.listMissing(entity, keys, options),
    findVersion: (collection, selector, options) =>
      remote.findVersion(collection, selector, options),
    listVersions: (filter, next, options) => remote.listVersions(filter, next, options),
    listDeleted: (entity, ids, options) => remote.listDeleted(entity, ids, options),
    measureFreed: (entity, ids, options) => remote.measureFreed(entity, ids, options),
    listEdges: (entity, queries, next, options) => remote.listEdges(entity, queries, next, options),
    async send(entity, records, options) {
      if (++attempts.send > failures) return remote.send(entity, records, options)
      for await (const _ of records()) break
      throw cut()
    },
    async *fetch(entity, keys, options) {
      if (++attempts.fetch > failures) return yield* remote.fetch(entity, keys, options)
      let given = 0
      // Records may come together, so that what is cut may be only their end.
      for await (const item of remote.fetch(entity, keys, options)) {
        if (given++ === after) throw cut()
        yield item
      }
      throw cut()
    },
  }
  return { broken, attempts }
}

t.test('a pack is made anew for each attempt', async t => {
  const { local, remote } = await serveStores(t)
  const { blobs } = await makeVersion(local, { a: 'a', b: 'b' })
  const { broken, attempts } = breakTransfers(remote, { failures: 1, after: 0 })
  const result = await retryRemote(broken).send('default', recordsOf(local, blobs))
  t.same(result, { stored: 2, rejected: [] })
  t.equal(attempts.send, 2)
})

t.test('a fetch is tried again until it gave a record', async t => {
  const { local, served, remote } = await serveStores(t)
  const { blobs } = await makeVersion(served, { a: 'a', b: 'b' })
  const early = breakTransfers(remote, { failures: 1, after: 0 })
  const received = await receiveRecords(local, retryRemote(early.broken).fetch('default', blobs))
  t.equal(received.stored, 2)
  t.equal(early.attempts.fetch, 2)

  const late = breakTransfers(remote, { failures: 1, after: 1 })
  const cut = receiveRecords(local, retryRemote(late.broken).fetch('default', blobs))
  await t.rejects(cut, { code: 'REMOTE_UNREACHABLE' })
  t.equal(late.attempts.fetch, 1)
})
