import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeDeletion } from '../../fixtures/catalog/delete-request.js'
import { giveAlias, makeEdit } from '../../fixtures/catalog/edit-request.js'
import { newId } from '../../fixtures/catalog/log-request.js'
import { logFiles } from '../../fixtures/log-files.js'
import { openHomes } from '../../fixtures/open-homes.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { openStore, type Store } from '../../src/store/store.js'
import { syncStore } from '../../src/sync/sync-store.js'

const cats = { entity: 'default', project: 'p', name: 'cats' }

/** Two machines and a server whose folder can be replaced. */
async function start(t: Test) {
  const { home, serverHome, store: a, serve } = openHomes(t)
  let server = await serve()
  const { url } = server
  const b = openStore(join(home, '../other'))
  t.teardown(() => b.close())
  const openRemote = (url: string) => openHttpRemote({ url })
  return {
    url,
    home,
    serverHome,
    a,
    b,
    log: async (store: Store, ...texts: string[]) => {
      for (const text of texts) await logFiles(store, { 'a.txt': text })
    },
    sync: (store: Store) => syncStore(store, openRemote, { defaultRemote: url }),
    stop: () => server.close(),
    restart: async (change: () => void) => {
      await server.close()
      change()
      server = await serve(Number(new URL(url).port))
    },
    /** The versions that the server has. */
    list: async () => {
      const { items } = await openRemote(url).listVersions({ entity: 'default' })
      return items.map(({ id, number, aliases }) => ({ id, number, aliases }))
    },
  }
}

t.test('what a wiped server had is sent again, in order and with its aliases', async t => {
  const { a, log, sync, restart, list, serverHome } = await start(t)
  await logFiles(a, { 'a.txt': 'one' }, { aliases: ['best'] })
  await log(a, 'two')
  await sync(a)
  await logFiles(a, { 'a.txt': 'two' }, { aliases: ['checked'] })
  await sync(a)
  const before = await list()
  t.match(before, [{ aliases: ['best'] }, { aliases: ['checked', 'latest'] }])
  await restart(() => rmSync(serverHome, { recursive: true }))
  t.same(await list(), [])
  const report = await sync(a)
  t.match(report, { resent: 3, pending: 0, errors: [], synced: { length: 3 } })
  t.same(await list(), before)
  t.match(await sync(a), { resent: 0, synced: [] })
})

t.test('what a backup lacks is sent again, before what was logged since', async t => {
  const { a, b, log, sync, restart, list, serverHome } = await start(t)
  const backup = `${serverHome}-backup`
  await log(a, 'zero')
  await sync(a)
  await restart(() => cpSync(serverHome, backup, { recursive: true }))
  await log(a, 'one', 'two')
  await sync(a)
  const [zero, one, two] = (await list()).map(({ id }) => id)
  await restart(() => {
    rmSync(serverHome, { recursive: true })
    cpSync(backup, serverHome, { recursive: true })
  })
  // Others go on meanwhile, so that the journal of the server is as long as it was, and longer.
  await log(b, 'b', 'c', 'd', 'e')
  await sync(b)
  await log(a, 'three')

  const report = await sync(a)
  t.match(report, { resent: 3, pending: 0, failed: [], errors: [] })
  t.equal(report.synced.length, 4, 'what the server still had is answered as it was')
  const now = (await list()).map(({ id }) => id)
  t.equal(now[0], zero)
  t.same(now.slice(5, 7), [one, two])
  t.equal(now.length, 8)
  await t.rejects(
    a.catalog.findVersion(cats, { kind: 'number', number: 1 }),
    { code: 'VERSION_RENUMBERED' },
    'its number was given to another meanwhile',
  )
})

t.test('edits, deletions and uses are sent again too', async t => {
  const { a, log, sync, restart, url, serverHome } = await start(t)
  const backup = `${serverHome}-backup`
  await log(a, 'zero', 'one', 'two')
  await sync(a)
  await restart(() => cpSync(serverHome, backup, { recursive: true }))
  const { items } = await a.catalog.listVersions(cats)
  const [zero, one] = items.map(({ id }) => id)
  const target = { remote: url }
  await a.catalog.delete(makeDeletion([zero!], { target }))
  await a.catalog.edit(makeEdit(one!, giveAlias('best'), { target }))
  const run = { id: 'r1', project: 'p' }
  const version = { ...cats, id: one!, type: 'dataset' }
  await a.catalog.use({ logId: newId(), run, version, target })
  await sync(a)
  const look = async () => {
    const remote = openHttpRemote({ url })
    const found = (await remote.listVersions(cats)).items
    const edges = await remote.listEdges('default', [{ role: 'input', versionId: one! }])
    return {
      versions: found.map(({ number, aliases }) => [number, ...aliases]),
      deleted: await remote.listDeleted('default', [zero!, one!]),
      runs: edges.items.map(({ run }) => run.id),
    }
  }
  const before = {
    versions: [
      [1, 'best'],
      [2, 'latest'],
    ],
    deleted: [zero],
    runs: ['r1'],
  }
  t.same(await look(), before)
  for (const put of [() => cpSync(backup, serverHome, { recursive: true }), () => {}]) {
    await restart(() => {
      rmSync(serverHome, { recursive: true })
      put()
    })
    t.match(await sync(a), { resent: 6, pending: 0, failed: [], errors: [], leftOut: 0 })
    t.same(await look(), before)
  }
})

t.test('a server that is only started again lost nothing', async t => {
  const { a, b, log, sync, restart } = await start(t)
  await log(a, 'one')
  await sync(a)
  await log(b, 'other')
  await sync(b)
  await restart(() => {})
  t.match(await sync(a), { resent: 0, requests: 0, errors: [] })
  await log(a, 'two')
  t.match(await sync(a), { resent: 0, synced: { length: 1 } })
})

t.test('with nothing pending, a remote that cannot be asked is an error', async t => {
  const { a, b, log, sync, stop } = await start(t)
  await log(a, 'one')
  await sync(a)
  await stop()
  t.match(await sync(a), { errors: [{ code: 'REMOTE_UNREACHABLE' }], pending: 0 })
  t.match(await sync(b), { errors: [] }, 'from here it never took anything')
})

t.test('artifactd notices within a scan, with an index that was built again too', async t => {
  const { a, url, home, log, sync, restart, list, serverHome } = await start(t)
  await log(a, 'one')
  await sync(a)
  const before = await list()
  await a.close()
  rmSync(join(home, 'catalog'), { recursive: true })
  await restart(() => rmSync(serverHome, { recursive: true }))
  spawnDaemon(t, home, { remote: url, args: ['--scan', '0.2'] })
  await waitUntil(async () => (await list()).length === 1)
  t.same(await list(), before)
})
