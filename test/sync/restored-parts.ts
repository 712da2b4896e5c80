import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { newId } from '../../fixtures/catalog/log-request.js'
import { openHomes } from '../../fixtures/open-homes.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { makeVersion } from '../../fixtures/server/make-version.js'
import { openVersionId } from '../../src/model/open-version-id.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { finishVersion } from '../../src/store/finish-version.js'
import { readEntries } from '../../src/store/manifest.js'
import { openStore, type Store } from '../../src/store/store.js'
import { cleanStore } from '../../src/sync/clean-store.js'
import { syncStore } from '../../src/sync/sync-store.js'

const cats = { entity: 'default', project: 'animals', name: 'cats' }
const open = { ...cats, distributedId: 'g' }
const id = openVersionId(open)
/** Above the size of small files, so that they lie in files of their own. */
const files = { a: { a: seededBytes('a', 600_000) }, b: { b: seededBytes('b', 600_000) } }

/** Two machines which build one version, that neither has whole, on a server that can be put back. */
async function start(t: Test) {
  const { home, serverHome, store: a, serve } = openHomes(t)
  const b = openStore(join(home, '../other'))
  t.teardown(() => b.close())
  let server = await serve()
  const { url } = server
  const target = { remote: url }
  const remote = openHttpRemote({ url })
  const upsert = async (store: Store, content: Record<string, Buffer>) => {
    const { version } = await makeVersion(store, content)
    const bytes = { packs: [], objects: [] }
    const { distributedId } = open
    await store.catalog.upsert({ logId: newId(), version, distributedId, target, ...bytes })
    return version.id
  }
  const sync = (store: Store) => syncStore(store, () => remote, { defaultRemote: url })
  const restart = async (change: () => void) => {
    await server.close()
    change()
    server = await serve(Number(new URL(url).port))
  }
  const parts = { a: await upsert(a, files.a), b: await upsert(b, files.b) }
  await sync(a)
  await sync(b)
  t.same((await cleanStore(a, { limit: 0, remote })).evicted, [], 'it is not finished')
  const backup = `${serverHome}-backup`
  await restart(() => cpSync(serverHome, backup, { recursive: true }))
  await finishVersion(a, open, { logId: newId(), aliases: ['best'], onConflict: 'error', target })
  t.match(await sync(a), { synced: [{ kind: 'finish', id, number: 0 }] })
  /** The paths that the version on the server has. */
  const list = async () => {
    const { version } = await remote.findVersion(cats, { kind: 'alias', alias: 'best' })
    t.equal(version.id, id)
    const served = openStore(serverHome)
    const paths: string[] = []
    for await (const entries of readEntries(served, version.pieces)) {
      paths.push(...entries.map(({ path }) => path))
    }
    await served.close()
    return paths
  }
  t.same(await list(), ['a', 'b'])
  const wipe = () => rmSync(serverHome, { recursive: true })
  return { a, b, parts, remote, sync, restart, list, wipe, backup, serverHome }
}

t.test('the request to finish a version goes again to a server that was put back', async t => {
  const { a, sync, restart, list, wipe, backup, serverHome } = await start(t)
  await restart(() => {
    wipe()
    cpSync(backup, serverHome, { recursive: true })
  })
  t.match(await sync(a), { resent: 2, pending: 0, failed: [], errors: [] })
  t.same(await list(), ['a', 'b'])
  t.match(await sync(a), { resent: 0, requests: 0 })
})

t.test('the parts of a version go again to a server that was wiped', async t => {
  const { a, b, sync, restart, list, wipe } = await start(t)
  // What is in a version that is not here is not cleaned away.
  await cleanStore(a)
  for (let times = 0; times < 2; times += 1) {
    await restart(wipe)
    t.match(await sync(b), { resent: 1, pending: 0, failed: [] })
    t.match(await sync(a), { resent: 2, pending: 0, failed: [], errors: [] })
    t.same(await list(), ['a', 'b'])
  }
})

t.test('a part that comes again after the version was finished is kept, and told', async t => {
  const { a, b, parts, sync, restart, list, wipe } = await start(t)
  await restart(wipe)
  t.match(await sync(a), { resent: 2, pending: 0, failed: [] })
  t.same(await list(), ['a'])
  t.match(await sync(b), {
    resent: 1,
    failed: [{ kind: 'upsert', id: parts.b, error: { code: 'ARTIFACT_FINALIZED' } }],
  })
})

t.test('the bytes of parts that the server has in a version make room for others', async t => {
  const { a, b, parts, remote, sync, restart, wipe } = await start(t)
  const { evicted, bytesAfter } = await cleanStore(a, { limit: 0, remote })
  t.match(evicted, [{ id: parts.a }])
  t.ok(bytesAfter < 100_000)
  t.match((await cleanStore(b, { limit: 0, remote })).evicted, [{ id: parts.b }])
  await restart(wipe)
  t.match(await sync(a), { failed: [{ id: parts.a, error: { code: 'BLOB_MISSING' } }] })
})
