import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { encodeExternal } from '../../src/catalog/index-external.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { objectPath } from '../../src/model/home.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { writeManifest } from '../../src/store/manifest.js'
import { repairStore } from '../../src/store/repair-store.js'
import { openStore, type Store } from '../../src/store/store.js'

const large = Buffer.alloc(600_000, 'large ')
const hasher = await createHasher('xxh128')
const digestOf = (content: string | Buffer) => hashBytes(hasher, Buffer.from(content as string))

function setUp(t: Test, files: Record<string, string | Buffer>) {
  const base = t.testdir({ source: files, other: { 'b.txt': 'bbbb' } })
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  return { base, store, source: join(base, 'source') }
}

/** Logs the files of a folder as immutable, with a version of their own. */
async function logInPlace(store: Store, folder: string, names: string[]) {
  const ingest = store.ingest()
  const files = names.map(name => join(folder, name))
  const stored = await Promise.all(files.map(file => ingest.addFile(file, 'immutable')))
  const entries = stored.map(({ digest, stat }, index) => ({
    path: names[index]!,
    digest,
    size: stat.size,
  }))
  const manifest = await writeManifest(ingest, 'xxh128', entries)
  const bytes = encodeExternal(
    stored.map(({ digest, stat }, index) => ({ digest, file: files[index]!, ...stat })),
  )
  const [piece] = await ingest.addBytes('blob', [bytes])
  const { packs, objects } = await ingest.finish()
  const external = [{ digest: piece!.digest, size: bytes.length, count: names.length }]
  await store.catalog.log(
    makeLogRequest('in-place', 'x', { packs, objects, external, version: { ...manifest } }),
  )
}

t.test('a store that is whole has nothing to repair', async t => {
  const { store, source } = setUp(t, { 'a.txt': 'aaaa', 'large.bin': large })
  await logTree(store, source)
  t.same(await repairStore(store), { versions: 1, recovered: 0, lost: [], journal: [] })
})

t.test('only what the named versions need is looked at', async t => {
  const { base, store, source } = setUp(t, { 'a.txt': 'aaaa' })
  const version = await logTree(store, source)
  const other = await logTree(store, join(base, 'other'), 'other')
  await damageBlob(store, digestOf('bbbb'))
  const named = await repairStore(store, { versions: [version.id] })
  t.same(named, { versions: 1, recovered: 0, lost: [], journal: [] })
  t.ok((await store.catalog.locate([{ kind: 'blob', digest: digestOf('bbbb') }]))[0])
  t.match(await repairStore(store, { versions: [other.id] }), {
    versions: 1,
    lost: [{ digest: digestOf('bbbb'), neededBy: [{ version: 'p/other:v0', path: 'b.txt' }] }],
  })
  await damageBlob(store, version.pieces[0]!.digest, 'piece')
  t.match(await repairStore(store, { versions: [version.id] }), {
    lost: [{ kind: 'piece', neededBy: [{ version: 'p/tree:v0' }] }],
  })
})

t.test('a file outside that is unchanged gives its bytes back', async t => {
  const { base, store, source } = setUp(t, { 'a.txt': 'aaaa', 'large.bin': large })
  await logInPlace(store, source, ['a.txt', 'large.bin'])
  t.same(
    await store.catalog.locate([{ kind: 'blob', digest: digestOf(large) }]),
    [null],
    'it lies where it was',
  )
  const version = await logTree(store, source)
  for (const content of ['aaaa', large]) await damageBlob(store, digestOf(content))
  t.match(await repairStore(store), { recovered: 2, lost: [] })
  // Not the file outside is needed now, but the copy here.
  renameSync(source, join(base, 'away'))
  await checkoutVersion(store, version, join(base, 'out'))
  t.match(await repairStore(store), { recovered: 0, lost: [] })

  rmSync(objectPath(store.home, digestOf(large)))
  writeFileSync(join(base, 'large.bin'), large)
  t.match(await repairStore(store), { lost: [{ digest: digestOf(large) }] })
})

t.test('a call that is cancelled ends, and may be made again', async t => {
  const { store, source } = setUp(t, { 'a.txt': 'aaaa' })
  await logTree(store, source)
  await damageBlob(store, digestOf('aaaa'))
  const signal = AbortSignal.abort()
  await t.rejects(repairStore(store, { signal }), { code: 'INTERRUPTED' })
  t.match(await repairStore(store), { lost: [{ digest: digestOf('aaaa') }] })
})
