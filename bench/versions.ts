/**
 * Many small versions: 1,000 of one collection, a file of 32 kB each, logged one after another by a
 * program, beside a loop that only writes and flushes such a file; then one `artifact sync`. And
 * artifactd with 10,000 pending versions that wait behind one that failed: how long a version of
 * another collection takes from its log to the server, beside the same without them.
 *
 *     npm run build && node dist/bench/versions.js [--versions 1000] [--pending 10000] [--rounds 5]
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { logFiles } from '../fixtures/log-files.js'
import { openStore, type Store } from '../src/store/store.js'
import { connectDaemon } from '../src/sync/daemon-client.js'
import {
  describeMachine,
  makeWorkFolder,
  readOptions,
  runArtifact,
  startServer,
  summarize,
} from './harness.js'

const DAEMON = fileURLToPath(new URL('../daemon/main.js', import.meta.url))
const BYTES = 32_000

const { versions, pending, rounds } = readOptions({ versions: 1000, pending: 10_000 })
const work = makeWorkFolder('versions')
const server = await startServer(join(work.path, 'server'))
console.log(`${describeMachine()}\n`)
try {
  const home = join(work.path, 'home')
  const flushed = timeFlushes(join(work.path, 'files'), versions)
  const store = openStore(home)
  const cpu = process.cpuUsage()
  const started = performance.now()
  for (let n = 0; n < versions; n += 1) {
    await logFiles(store, { 'checkpoint.bin': randomBytes(BYTES) }, { remote: server.url })
  }
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  await store.close()
  const packs = readdirSync(join(home, 'packs'), { recursive: true }).filter(name =>
    String(name).endsWith('.pack'),
  )
  const sync = runArtifact(['sync', '--json'], { ARTIFACT_HOME: home })
  const { requests, synced } = JSON.parse(sync.stdout)
  const served = readdirSync(join(work.path, 'server/packs'), { recursive: true }).filter(name =>
    String(name).endsWith('.pack'),
  )
  console.log('| versions | ms each | flush of such a file, ms | CPU ms each | packs here |')
  console.log('| --- | --- | --- | --- | --- |')
  const each = [seconds * 1000, flushed * 1000, (user + system) / 1000]
  const [took, flush, spent] = each.map(value => (value / versions).toFixed(2))
  console.log(`| ${[versions, took, flush, spent, packs.length].join(' | ')} |\n`)
  console.log('| synced | requests | seconds | packs on the server |\n| --- | --- | --- | --- |')
  console.log(
    `| ${[synced.length, requests, sync.seconds.toFixed(2), served.length].join(' | ')} |\n`,
  )

  console.log('| pending before | ms from log to server |\n| --- | --- |')
  for (const count of [0, pending]) {
    const home = join(work.path, `waiting-${count}`)
    const store = openStore(home)
    await holdBack(store, count)
    const times = await timeArrivals(store, home)
    await store.close()
    console.log(`| ${count} | ${summarize(times).text} |`)
  }
} finally {
  await server.stop()
  work.remove()
}

/** Seconds that it takes to write and flush so many files. */
function timeFlushes(folder: string, count: number): number {
  mkdirSync(folder)
  const started = performance.now()
  for (let n = 0; n < count; n += 1) {
    const fd = openSync(join(folder, String(n)), 'wx')
    writeSync(fd, randomBytes(BYTES))
    fdatasyncSync(fd)
    closeSync(fd)
  }
  return (performance.now() - started) / 1000
}

/** Versions of one collection, of which the first failed, so that all wait. */
async function holdBack(store: Store, count: number): Promise<void> {
  for (let n = 0; n < count; n += 100) {
    const some = Array.from({ length: Math.min(100, count - n) }, (_, index) =>
      logFiles(store, { 'a.txt': String(n + index) }, { name: 'held', remote: server.url }),
    )
    await Promise.all(some)
  }
  const [first] = (await store.catalog.listPending()).items
  if (first) {
    const error = { code: 'TYPE_CONFLICT' as const, message: 'made up', details: {} }
    await store.catalog.setPendingError(first.seq, error)
  }
}

async function timeArrivals(store: Store, home: string): Promise<number[]> {
  const child = spawn(process.execPath, [DAEMON], {
    env: { ...process.env, ARTIFACT_HOME: home, ARTIFACT_REMOTE: server.url },
    stdio: 'ignore',
  })
  const times: number[] = []
  try {
    let daemon = await connectDaemon(home)
    while (!daemon) {
      await sleep(50)
      daemon = await connectDaemon(home)
    }
    await daemon.sync({})
    daemon.close()
    for (let round = 0; round < rounds; round += 1) {
      // The echoes of the last record are over.
      await sleep(6000)
      const name = `new-${round}-${randomBytes(4).toString('hex')}`
      const started = performance.now()
      const { id } = await logFiles(store, { 'a.txt': name }, { name, remote: server.url })
      while ((await store.catalog.getVersion(id))?.state !== 'synced') await sleep(5)
      times.push(performance.now() - started)
    }
  } finally {
    child.kill('SIGTERM')
  }
  return times
}
