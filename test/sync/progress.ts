import t from 'tap'
import { askStatus } from '../../fixtures/ask-status.js'
import { logFiles } from '../../fixtures/log-files.js'
import { isSettled, openHomes } from '../../fixtures/open-homes.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { ArtifactError } from '../../src/errors.js'
import { retryRemote } from '../../src/remote/retrying-remote.js'
import { openStore } from '../../src/store/store.js'
import { ProgressTracker } from '../../src/sync/progress-tracker.js'
import { pushPending } from '../../src/sync/push.js'
import type { SyncEvent, VersionProgress } from '../../src/sync/sync-report.js'
import { syncStore } from '../../src/sync/sync-store.js'

const version: VersionProgress = {
  id: 'a',
  name: 'p/cats:v0',
  size: 5000,
  bytesTotal: 4000,
  bytesSent: 0,
  bytesSkipped: 1000,
  retries: 0,
  lastError: null,
}
const bytes = (changes: Partial<VersionProgress>): SyncEvent => {
  return { type: 'bytes', ...version, ...changes }
}

t.test('rate and time left follow what moves', async t => {
  let time = 0
  const tracker = new ProgressTracker(() => time)
  tracker.note(bytes({}))
  t.match(tracker.list(), [{ active: true, bytesPerSecond: 0, etaSeconds: null }])
  time = 1000
  tracker.note(bytes({ bytesSent: 1000 }))
  t.match(tracker.list(), [{ bytesPerSecond: 1000, etaSeconds: 3 }])
  time = 2000
  tracker.note(bytes({ bytesSent: 3000 }))
  t.match(tracker.list(), [{ bytesPerSecond: 1300, etaSeconds: 1 }])
  time = 60_000
  const [stalled] = tracker.list()
  t.ok(stalled && stalled.bytesPerSecond < 1300, 'it goes down when nothing moves')
})

t.test('what a pass leaves waits, with its retries, until it is synced', async t => {
  const tracker = new ProgressTracker(() => 0)
  const lastError = { code: 'REMOTE_UNREACHABLE' as const, message: 'away' }
  tracker.note(bytes({ retries: 2, lastError }))
  tracker.endPass()
  t.match(tracker.list(), [{ active: false, retries: 2, lastError, etaSeconds: null }])
  tracker.note(bytes({ retries: 1, lastError }))
  t.match(tracker.list(), [{ active: true, retries: 3 }])
  tracker.endPass()
  tracker.endPass()
  t.match(tracker.list(), [{ active: false, retries: 3 }])
  const item = { kind: 'version' as const, id: 'a', number: 0, unchanged: false }
  const name = { entity: 'default', project: 'p', name: 'cats' }
  tracker.note({ type: 'synced', item: { ...item, ...name } })
  t.same(tracker.list(), [])
})

t.test('a push tells what was sent, what was there, and what was tried again', async t => {
  const folder = t.testdir()
  const here = openStore(`${folder}/here`)
  const there = openStore(`${folder}/there`)
  t.teardown(async () => {
    await here.close()
    await there.close()
  })
  let failures = 0
  const before = () => {
    if (failures-- > 0) throw new ArtifactError('REMOTE_UNREACHABLE', 'away')
  }
  const remote = openStoreRemote(there, 'http://there', { before })
  const retrying = retryRemote(remote, { retries: 3 })
  const events: SyncEvent[] = []
  const push = () =>
    pushPending(here, () => retrying, {
      defaultRemote: 'http://there',
      onProgress: event => events.push(event),
    })
  const shared = seededBytes('shared', 40_000)
  await logFiles(here, { 'a.bin': shared })
  await push()
  await logFiles(here, { 'a.bin': shared, 'b.bin': seededBytes('new', 10_000) })
  failures = 2
  events.length = 0
  const { synced } = await push()
  t.match(synced, [{ number: 1, bytesSkipped: 40_000, retries: 2 }])
  const [item] = synced
  t.ok(item?.bytesSent && item.bytesSent > 10_000 && item.bytesSent < 11_000, 'and its manifest')
  const progress = events.filter(event => event.type === 'bytes')
  t.match(progress[1], { retries: 2, lastError: { code: 'REMOTE_UNREACHABLE' } })
  t.match(progress.at(-1), {
    size: 50_000,
    bytesSkipped: 40_000,
    bytesSent: item?.bytesSent,
    bytesTotal: item?.bytesSent,
  })
})

t.test('artifactd tells it over its socket, to a sync in the foreground too', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  await logFiles(store, { 'a.bin': seededBytes('slow', 600_000) })
  spawnDaemon(t, home, { remote: url, args: ['--limit', '200KB', '--scan', '3600'] })
  const moving = await waitUntil(async () => {
    const [version] = (await askStatus(home))?.versions ?? []
    return version && version.bytesPerSecond > 0 && version.etaSeconds !== null && version
  })
  t.match(moving, { name: 'p/cats:v0', size: 600_000, active: true, retries: 0, lastError: null })
  t.ok(moving.bytesTotal >= 600_000)
  t.ok(moving.bytesSent > 0)
  const heard: SyncEvent[] = []
  const openRemote = () => {
    throw new Error('the daemon is at it')
  }
  await syncStore(store, openRemote, { onProgress: event => heard.push(event) })
  t.match(heard, [{ type: 'bytes', name: 'p/cats:v0' }])
  t.equal(await isSettled(store), true)

  // With an hour between two scans only an event can tell of it.
  await logFiles(store, { 'b.txt': 'b' })
  await waitUntil(() => isSettled(store))
  t.match(await askStatus(home), { state: String, lastPass: { failed: 0, pending: 0 } })
})

t.test('what waits for a server that is away tells so', async t => {
  const { home, store } = openHomes(t)
  await logFiles(store, { 'a.txt': 'a' })
  spawnDaemon(t, home, { remote: 'http://127.0.0.1:9' })
  const waiting = await waitUntil(async () => {
    const status = await askStatus(home)
    return status?.lastPass ? status : undefined
  })
  t.match(waiting, {
    lastError: { code: 'REMOTE_UNREACHABLE' },
    lastPass: { pending: 1 },
    versions: [{ lastError: { code: 'REMOTE_UNREACHABLE' } }],
  })
  t.ok(waiting.versions[0]!.retries > 0)
})
