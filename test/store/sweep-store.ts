import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { seededBytes as bytesOf } from '../../fixtures/seeded-bytes.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'

import type { Root } from '../../src/catalog/keeping.js'
import { hashBytes, withHasher } from '../../src/hash/hasher.js'
import { homePaths, packPath } from '../../src/model/home.js'
import { listStoredFiles } from '../../src/store/list-stored-files.js'
import { exposeObjects } from '../../src/store/object-trust.js'
import { openStore, type Store } from '../../src/store/store.js'
import { sweepStore } from '../../src/store/sweep-store.js'
import { verifyInStore } from '../../src/store/verify.js'
import { pushPending } from '../../src/sync/push.js'

const seededBytes = (seed: number, length: number) => bytesOf(`${seed}`, length)

const SMALL = 3000
const LARGE = 300_000

function open(t: Test, name = 'home'): Store {
  const store = openStore(join(t.testdirName, name))
  t.teardown(() => store.close())
  return store
}

const bytesIn = ({ home }: Store) => listStoredFiles(home).reduce((sum, { size }) => sum + size, 0)

const keyOf = async (bytes: Buffer) => ({
  kind: 'blob' as const,
  digest: await withHasher('xxh128', hasher => hashBytes(hasher, bytes)),
  size: bytes.length,
})

const makeFiles = (seed: number) => ({
  small: seededBytes(seed, SMALL),
  large: seededBytes(seed + 1000, LARGE),
})

async function isHere(store: Store, bytes: Buffer): Promise<boolean> {
  return (await store.catalog.locate([await keyOf(bytes)]))[0] !== null
}

/** Adds content that no version names. */
async function addDead(t: Test, store: Store, parts: Buffer[]): Promise<void> {
  const ingest = store.ingest()
  for (const [index, bytes] of parts.entries()) {
    const file = join(t.testdirName, `dead-${index}`)
    writeFileSync(file, bytes)
    await ingest.addFile(file, 'mutable')
  }
  await ingest.finish()
}

async function isWhole(store: Store, id: string): Promise<boolean> {
  const version = await store.catalog.getVersion(id)
  const { problems } = await verifyInStore(store, version!)
  return problems.length === 0
}

async function logFolder(t: Test, store: Store, seed: number, name = 'cats') {
  const folder = join(t.testdirName, `input-${seed}`)
  mkdirSync(folder)
  for (const [path, bytes] of Object.entries(makeFiles(seed))) {
    writeFileSync(join(folder, path), bytes)
  }
  return logTree(store, folder, name)
}

/** Logs versions and pushes them; used in this order. */
async function logSynced(t: Test, store: Store, remote: Store, seeds: number[]) {
  const ids: string[] = []
  for (const seed of seeds) {
    const { id } = await logFolder(t, store, seed, `n${seed}`)
    ids.push(id)
  }
  const report = await pushPending(store, () => openStoreRemote(remote, 'http://remote'), {
    defaultRemote: 'http://remote',
  })
  if (report.synced.length !== seeds.length) throw new Error(JSON.stringify(report))
  for (const id of ids) {
    await store.catalog.noteUse([id])
    // Uses are told apart by the millisecond.
    await setTimeout(2)
  }
  return ids
}

const listHeld = async (roots: Root[]) => new Set(roots.map(({ id }) => id))

t.test('what no version needs is removed, and the rest stays', async t => {
  t.testdir({})
  const store = open(t)
  const { id } = await logFolder(t, store, 1)
  const before = bytesIn(store)
  const dead = Object.values(makeFiles(2))
  await addDead(t, store, dead)
  const { epoch } = await store.catalog.describe()

  const planned = await sweepStore(store, { dryRun: true })
  t.ok(planned.bytesBefore >= before + SMALL + LARGE)
  t.equal(planned.bytesAfter, before)
  t.ok(await isHere(store, dead[0]!), 'a dry run changes nothing')

  const result = await sweepStore(store)
  t.same(result, { bytesBefore: planned.bytesBefore, bytesAfter: before, evicted: [] })
  t.equal(bytesIn(store), before)
  for (const bytes of dead) t.notOk(await isHere(store, bytes))
  t.ok(await isWhole(store, id))
  t.not((await store.catalog.describe()).epoch, epoch)

  const again = await store.catalog.describe()
  t.equal((await sweepStore(store)).bytesAfter, before)
  t.same(await store.catalog.describe(), again, 'where nothing goes the epoch stays')
  await addDead(t, store, dead)
  for (const bytes of dead) t.ok(await isHere(store, bytes), 'it is stored when it comes again')
})

t.test('a pack of which much is dead is written anew', async t => {
  t.testdir({})
  const store = open(t)
  const kept = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`${i}`, seededBytes(i, SMALL)]),
  )
  const dead = Array.from({ length: 20 }, (_, i) => seededBytes(500 + i, SMALL))
  await store.ingest().addBytes('blob', dead)
  const { id } = await logFiles(store, kept)
  const [place] = await store.catalog.locate([await keyOf(dead[0]!)])
  const [keptPlace] = await store.catalog.locate([await keyOf(kept['0']!)])
  const packId = place?.in === 'pack' ? place.packId : ''
  t.match(keptPlace, { in: 'pack', packId }, 'they lie in one pack')
  const { bytesBefore, bytesAfter } = await sweepStore(store)
  t.ok(bytesBefore - bytesAfter >= 20 * SMALL)
  t.notOk(existsSync(packPath(store.home, packId)))
  t.notOk(await isHere(store, dead[0]!))
  t.ok(await isWhole(store, id))

  await store.close()
  rmSync(homePaths(store.home).catalog, { recursive: true })
  const rebuilt = open(t)
  t.ok(await isWhole(rebuilt, id), 'an index that is built again finds what was moved')
  t.notOk(await isHere(rebuilt, dead[0]!), 'and nothing that was removed')
})

t.test('a pack of which little is dead stays', async t => {
  t.testdir({})
  const store = open(t)
  const kept = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`${i}`, seededBytes(i, SMALL)]),
  )
  await store.ingest().addBytes('blob', [seededBytes(500, SMALL)])
  await logFiles(store, kept)
  const packs = listStoredFiles(store.home)
  await sweepStore(store)
  t.same(listStoredFiles(store.home), packs)
})

t.test('versions are evicted in the order in which they were used', async t => {
  t.testdir({})
  const store = open(t)
  const remote = open(t, 'remote')
  const ids = await logSynced(t, store, remote, [1, 2, 3])
  await store.catalog.noteUse([ids[0]!])
  const pending = await logFolder(t, store, 4, 'pending')
  const limit = bytesIn(store) - LARGE / 2
  const options = { limit, listHeld }
  const planned = await sweepStore(store, { ...options, dryRun: true })
  t.same(
    planned.evicted.map(({ id }) => id),
    [ids[1]],
  )
  const result = await sweepStore(store, options)
  t.match(result.evicted, [{ id: ids[1], name: 'n2' }])
  t.ok(bytesIn(store) <= limit)
  t.equal(result.bytesAfter, bytesIn(store))
  t.equal((await store.catalog.getVersion(ids[1]!))?.evicted, true)
  t.notOk(await isHere(store, makeFiles(2).large))
  for (const id of [ids[0]!, ids[2]!, pending.id]) t.ok(await isWhole(store, id))

  await sweepStore(store, { limit: 0, listHeld })
  t.ok(await isWhole(store, pending.id), 'what is pending is not evicted')
  for (const seed of [1, 2, 3]) t.notOk(await isHere(store, makeFiles(seed).small))
  const roots = (await store.catalog.listRoots()).items
  t.same(roots.map(({ evicted, state }) => `${evicted} ${state}`).sort(), [
    'false pending',
    'true synced',
    'true synced',
    'true synced',
  ])
})

t.test('what pending and linked versions share is not evicted', async t => {
  t.testdir({})
  const store = open(t)
  const remote = open(t, 'remote')
  const [id] = await logSynced(t, store, remote, [1])
  const { small, large } = makeFiles(1)
  const pending = await logFiles(store, { small }, { name: 'pending' })
  exposeObjects(store.home, [(await keyOf(large)).digest])
  await sweepStore(store, { limit: 0, listHeld })
  t.ok(await isHere(store, small))
  t.ok(await isHere(store, large))
  t.ok(await isWhole(store, pending.id))
  t.equal((await store.catalog.getVersion(id!))?.evicted, true)
})

t.test('nothing is evicted that no remote is known to have', async t => {
  t.testdir({})
  const store = open(t)
  const remote = open(t, 'remote')
  const [id] = await logSynced(t, store, remote, [1])
  for (const options of [{}, { listHeld: async () => new Set<string>() }]) {
    const { evicted } = await sweepStore(store, { limit: 0, ...options })
    t.same(evicted, [])
    t.ok(await isWhole(store, id!))
  }
})

t.test('a sweep stops where a manifest cannot be read', async t => {
  t.testdir({})
  const store = open(t)
  await logFolder(t, store, 1)
  await addDead(t, store, [seededBytes(7, LARGE)])
  const [root] = (await store.catalog.listRoots()).items
  const { digest } = root!.pieces[0]!
  const [location] = await store.catalog.locate([{ kind: 'piece', digest }])
  if (location?.in === 'pack') rmSync(packPath(store.home, location.packId))
  await t.rejects(sweepStore(store), { code: 'BLOB_MISSING' })
  t.ok(await isHere(store, seededBytes(7, LARGE)))
})

t.test('nothing is removed while parts of a damaged journal lie aside', async t => {
  t.testdir({})
  const store = open(t)
  await addDead(t, store, [seededBytes(7, LARGE)])
  await logFolder(t, store, 1)
  const { journal } = homePaths(store.home)
  const [segment] = readdirSync(journal)
  writeFileSync(join(journal, `${segment}.damaged`), '')
  await t.rejects(sweepStore(store), { code: 'STORE_DAMAGED' })
  t.ok(await isHere(store, seededBytes(7, LARGE)))
})
