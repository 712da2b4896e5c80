import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { startNode } from '../../fixtures/run-node.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import type { PlacedKey } from '../../src/catalog/catalog.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { homePaths, objectPath, packPath } from '../../src/model/home.js'
import type { Version } from '../../src/model/version.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import type { BlobUse } from '../../src/store/find-uses.js'
import { readEntries } from '../../src/store/manifest.js'
import { quarantine } from '../../src/store/quarantine.js'
import { repairStore } from '../../src/store/repair-store.js'
import { openStore, type Store } from '../../src/store/store.js'

const large = Buffer.alloc(600_000, 'large ')
const files = { 'a.txt': 'aaaa', 'copy.txt': 'aaaa', 'b.txt': 'bbbb', 'large.bin': large }

const hasher = await createHasher('xxh128')
const keyOf = (content: string | Buffer): BlobKey => {
  const bytes = Buffer.from(content as string)
  return { kind: 'blob', digest: hashBytes(hasher, bytes), size: bytes.length }
}

async function setUp(t: Test) {
  const base = t.testdir({ source: files })
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  const source = join(base, 'source')
  const version = await logTree(store, source)
  let outs = 0
  const checkout = async (of: Version = version) =>
    hashTree((await checkoutVersion(store, of, join(base, `out ${outs++}`))).root)
  const listDamaged = () =>
    existsSync(homePaths(store.home).damaged) ? readdirSync(homePaths(store.home).damaged) : []
  return { base, store, source, version, checkout, listDamaged, whole: hashTree(source) }
}

async function placeOf(store: Store, key: BlobKey): Promise<PlacedKey> {
  const [location] = await store.catalog.locate([key])
  return { key, location: location! }
}

t.test('damaged bytes are moved aside, and logging the file again makes all whole', async t => {
  const { store, source, version, checkout, listDamaged, whole } = await setUp(t)
  await logTree(store, source, 'other')
  for (const [path, content] of [
    ['a.txt', 'aaaa'],
    ['large.bin', large],
  ] as const) {
    const { digest } = keyOf(content)
    const { epoch } = await store.catalog.describe()
    await damageBlob(store, digest)
    const error = await checkout().catch(error => error)
    t.match(error, { code: 'BLOB_DAMAGED', details: { path, digest } })
    const needed = error.details.neededBy.map((use: BlobUse) => `${use.version} ${use.path}`)
    for (const version of ['p/other:v0', 'p/tree:v0']) t.ok(needed.includes(`${version} ${path}`))
    const name = `${digest.replace(':', '-')}.0`
    t.ok(listDamaged().includes(name), name)
    const kept = readFileSync(join(homePaths(store.home).damaged, name))
    t.equal(kept.includes(content), false)
    t.ok(kept.length >= content.length, 'nothing of it is thrown away')
    t.not((await store.catalog.describe()).epoch, epoch)
    await t.rejects(checkout(), { code: 'BLOB_MISSING', details: { digest } })

    await logTree(store, source, 'again')
    t.same(await checkout(), whole)
  }
  const [piece] = version.pieces
  await damageBlob(store, piece!.digest, 'piece')
  await t.rejects(checkout(), {
    code: 'BLOB_DAMAGED',
    details: { kind: 'piece', digest: piece!.digest, neededBy: [{ version: 'p/again:v0' }] },
  })
  await logTree(store, source, 'again')
  t.same(await checkout(), whole)
  t.equal(listDamaged().length, 3)
})

t.test('what is gone is stored anew too, unless its folder is away', async t => {
  const { base, store, source, checkout, whole, listDamaged } = await setUp(t)
  const object = objectPath(store.home, keyOf(large).digest)
  rmSync(object)
  await t.rejects(checkout(), { code: 'BLOB_MISSING', details: { path: 'large.bin' } })
  await logTree(store, source)
  t.same(await checkout(), whole)

  const place = await placeOf(store, keyOf('bbbb'))
  if (place.location.in !== 'pack') throw new Error('a small file lies in a pack')
  const folder = dirname(packPath(store.home, place.location.packId))
  renameSync(folder, join(base, 'away'))
  await t.rejects(checkout(), { code: 'STORE_FAILED', details: { folder } })
  t.same(await placeOf(store, keyOf('bbbb')), place, 'it may come back')
  renameSync(join(base, 'away'), folder)
  t.same(await checkout(), whole)

  rmSync(packPath(store.home, place.location.packId))
  await t.rejects(checkout(), { code: 'BLOB_MISSING' })
  await logTree(store, source)
  t.same(await checkout(), whole)
  t.same(listDamaged(), [])
})

t.test('what cannot be read, and what reads well the second time, stays where it is', async t => {
  const { store, listDamaged, checkout } = await setUp(t)
  const [small, big] = [await placeOf(store, keyOf('aaaa')), await placeOf(store, keyOf(large))]
  const { epoch } = await store.catalog.describe()
  t.same(await quarantine(store, [small, big]), [])
  // To read a folder fails as a bad disk does: with an error that says nothing about the bytes.
  const object = objectPath(store.home, big.key.digest)
  rmSync(object)
  mkdirSync(object)
  await t.rejects(checkout(), { code: 'STORE_FAILED' })
  await t.rejects(quarantine(store, [big]), { code: 'STORE_FAILED' })
  t.same(await placeOf(store, big.key), big)
  t.same(listDamaged(), [])
  t.equal((await store.catalog.describe()).epoch, epoch)
})

t.test('one that cannot be read does not keep others from being moved', async t => {
  const { store, listDamaged } = await setUp(t)
  const places = [await placeOf(store, keyOf(large)), await placeOf(store, keyOf('bbbb'))]
  await damageBlob(store, keyOf('bbbb').digest)
  const object = objectPath(store.home, keyOf(large).digest)
  rmSync(object)
  mkdirSync(object)
  await t.rejects(quarantine(store, places), { code: 'STORE_FAILED' })
  t.same(await store.catalog.locate([keyOf('bbbb')]), [null])
  t.equal(listDamaged().length, 1)
})

t.test('two processes may move the same bytes aside at once', async t => {
  const { store, source, checkout, listDamaged, whole } = await setUp(t)
  const digests = [keyOf('aaaa'), keyOf('bbbb'), keyOf(large)].map(({ digest }) => digest)
  for (const digest of digests) await damageBlob(store, digest)
  const script = fileURLToPath(new URL('../../fixtures/store/quarantine-blobs.js', import.meta.url))
  const processes = [1, 2, 3].map(() => startNode([script, store.home, ...digests]))
  t.teardown(() => {
    for (const { child } of processes) child.kill('SIGKILL')
  })
  await Promise.all(processes.map(({ sees }) => sees(/ready/)))
  for (const { child } of processes) child.kill('SIGUSR2')
  for (const { sees, ended } of processes) {
    await sees(/took \d/)
    t.match(await ended, { code: 0, stderr: '' })
  }
  const refs = digests.map(digest => ({ kind: 'blob' as const, digest }))
  t.same(await store.catalog.locate(refs), [null, null, null])
  const objects = listDamaged().filter(name => name.startsWith(digests[2]!.replace(':', '-')))
  t.equal(objects.length, 1, 'there is one object to move')
  await logTree(store, source)
  t.same(await checkout(), whole)
})

t.test('a version that is logged while its bytes are moved aside does not lose them', async t => {
  const { store, source, listDamaged } = await setUp(t)
  const { epoch } = await store.catalog.describe()
  const ingest = store.ingest()
  const [known] = await ingest.addBytes('blob', [Buffer.from('bbbb')])
  t.equal(known!.isNew, false, 'the store has it')
  await damageBlob(store, known!.digest)
  const place = await placeOf(store, keyOf('bbbb'))
  await quarantine(store, [place])
  t.equal(listDamaged().length, 1)
  const late = await logTree(store, source, 'late')
  t.same((await readEntries(store, late.pieces).next()).value?.length, 4)
  const { epoch: now } = await store.catalog.describe()
  t.not(now, epoch)
  t.ok((await store.catalog.locate([keyOf('bbbb')]))[0], 'what was logged after is there')
})

t.test('a pack that was cut, and one that may not be written to', async t => {
  const { store, source, checkout, whole } = await setUp(t)
  const { location } = await placeOf(store, keyOf('bbbb'))
  if (location.in !== 'pack') throw new Error('a small file lies in a pack')
  const pack = packPath(store.home, location.packId)
  const bytes = readFileSync(pack)
  rmSync(pack)
  writeFileSync(pack, bytes.subarray(0, location.offset + 10))
  chmodSync(pack, 0o400)
  await t.rejects(checkout(), { code: 'BLOB_DAMAGED' })
  t.ok((await repairStore(store)).lost.length > 0)
  await logTree(store, source)
  t.same(await checkout(), whole)
})
