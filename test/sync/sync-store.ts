import { join } from 'node:path'
import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { listenAt } from '../../src/ipc/endpoint.js'
import { serveRpc } from '../../src/ipc/rpc.js'
import { homePaths } from '../../src/model/home.js'
import { openStore } from '../../src/store/store.js'
import { connectDaemon } from '../../src/sync/daemon-client.js'
import { createReport } from '../../src/sync/sync-report.js'
import { type SyncOptions, syncStore } from '../../src/sync/sync-store.js'
import { takeStoreLock } from '../../src/sync/take-store-lock.js'

const URL = 'http://remote.test'

function openPair(test: Test) {
  const folder = test.testdir({})
  const home = join(folder, 'here')
  const here = openStore(home)
  const there = openStore(join(folder, 'there'))
  test.teardown(() => Promise.all([here.close(), there.close()]))
  const remote = openStoreRemote(there, URL)
  const sync = (options: SyncOptions = {}) =>
    syncStore(here, () => remote, { defaultRemote: URL, ...options })
  return { home, here, remote, sync }
}

t.test('a store lock has one holder, also within a process', async t => {
  const { home, here } = openPair(t)
  await here.catalog.listPending()
  const first = await takeStoreLock(home, 'sync')
  t.equal(await takeStoreLock(home, 'sync'), null)
  const other = await takeStoreLock(home, 'other')
  t.ok(other)
  await first?.release()
  const second = await takeStoreLock(home, 'sync')
  t.equal(await second?.isHeld(), true)
  await second?.release()
  await other?.release()
})

t.test('two syncs at once send everything once', async t => {
  const { here, remote, sync } = openPair(t)
  for (let n = 0; n < 5; n++) await logFiles(here, { 'n.txt': `${n}` })
  const [one, two] = await Promise.all([sync(), sync()])
  t.equal(one.synced.length + two.synced.length, 5)
  const sent = remote.calls.flatMap(({ records }) => records)
  t.equal(new Set(sent).size, sent.length)
  t.equal(remote.calls.filter(({ call }) => call === 'commit').length, 2)
})

t.test('a sync waits for the one that holds the lock', async t => {
  const { home, here, remote, sync } = openPair(t)
  await logFiles(here, { 'a.txt': 'a' })
  const lock = await takeStoreLock(home, 'sync')
  const waiting = sync()
  t.equal(remote.calls.length, 0)
  await lock?.release()
  t.equal((await waiting).synced.length, 1)
})

t.test('a sync that waits can be aborted', async t => {
  const { home, here, sync } = openPair(t)
  await logFiles(here, { 'a.txt': 'a' })
  const lock = await takeStoreLock(home, 'sync')
  const controller = new AbortController()
  const waiting = sync({ signal: controller.signal })
  controller.abort()
  await t.rejects(waiting, { code: 'INTERRUPTED' })
  await lock?.release()
})

t.test('the artifactd that holds the lock is asked', async t => {
  const { home, here, remote, sync } = openPair(t)
  await logFiles(here, { 'a.txt': 'a' })
  const lock = await takeStoreLock(home, 'sync')
  const asked: unknown[] = []
  const report = { ...createReport(), pending: 7 }
  const endpoint = await listenAt(homePaths(home).host, 'artifactd', socket =>
    serveRpc(socket, {
      sync: async (options: unknown) => {
        asked.push(options)
        return report
      },
    }),
  )
  t.same(await sync({ retryFailed: true }), report)
  t.same(asked, [{ retryFailed: true }])
  t.equal(remote.calls.length, 0)
  await endpoint.close()
  await lock?.release()
  t.equal(await connectDaemon(home), null, 'one that is gone is no daemon')
  t.equal((await sync()).synced.length, 1)
})

t.test('nothing pending takes no request and no lock', async t => {
  const { home, remote, sync } = openPair(t)
  const lock = await takeStoreLock(home, 'sync')
  t.same(await sync(), createReport())
  t.equal(remote.calls.length, 0)
  await lock?.release()
})
