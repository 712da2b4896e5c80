import t, { type Test } from 'tap'
import { seededRandom } from '../../fixtures/seeded-random.js'
import { compareUtf8 } from '../../src/model/artifact-path.js'
import type { Entry } from '../../src/model/entry.js'
import { writeManifest } from '../../src/store/manifest.js'
import { ManifestIndex } from '../../src/store/manifest-index.js'
import { type Changes, listChanged, mergeManifest } from '../../src/store/merge-changes.js'
import { openStore, type Store } from '../../src/store/store.js'

const digest = (n: number) => `xxh128:${n.toString(16).padStart(32, '0')}`

const entryOf = (n: number, content = n): Entry => ({
  path: `folder ${String(n % 997).padStart(3, '0')}/file ${String(n).padStart(8, '0')}.bin`,
  digest: digest(content),
  size: content,
})

const byPath = (a: Entry, b: Entry) => compareUtf8(a.path, b.path)

/** Entries of files that are nowhere: a manifest does not mind. */
const makeEntries = (count: number) =>
  Array.from({ length: count }, (_, n) => entryOf(n)).sort(byPath)

function openTestStore(t: Test): Store {
  const store = openStore(t.testdir())
  t.teardown(() => store.close())
  return store
}

/** Adds, which take the path of what is there, and removals. */
function toChanges(added: Entry[], removed: string[] = []): Changes {
  const gone = new Set(removed)
  return { added: added.sort(byPath), removes: path => gone.has(path), replace: () => {} }
}

/** The entries of a store's ingest that were stored as pieces. */
function watchPieces(store: Store) {
  const ingest = store.ingest()
  const stored: number[] = []
  return {
    stored,
    ingest: {
      addBytes: (kind: 'piece' | 'blob' | 'recipe', parts: Uint8Array[]) => {
        stored.push(...parts.map(({ length }) => length))
        return ingest.addBytes(kind, parts)
      },
    },
    finish: () => ingest.finish(),
  }
}

t.test('of 200,000 entries only the pieces that change are made anew', async t => {
  const store = openTestStore(t)
  const entries = makeEntries(200_000)
  const base = await writeManifest(store.ingest(), 'xxh128', entries)
  await store.ingest().finish()
  t.ok(base.pieces.length > 200, `${base.pieces.length} pieces`)
  const at = (n: number) => entries[n]!
  const cases: [what: string, added: Entry[], removed: string[], count: number][] = [
    ['one replaced', [{ ...at(100_000), digest: digest(7) }], [], 0],
    ['one added before all', [{ ...at(0), path: '!' }], [], 1],
    ['one added behind all', [{ ...at(0), path: 'z' }], [], 1],
    ['one added between', [{ ...at(0), path: `${at(70_000).path}x` }], [], 1],
    ['one removed', [], [at(150_000).path], -1],
    ['the last removed', [], [at(199_999).path], -1],
    [
      'three at different places',
      [{ ...at(5), digest: digest(7) }],
      [at(9).path, at(199_000).path],
      -2,
    ],
  ]
  for (const [what, added, removed, count] of cases) {
    const { ingest, stored, finish } = watchPieces(store)
    const changes = toChanges(added, removed)
    const merged = await mergeManifest(store, ingest, { base: base.pieces, changes })
    t.ok(stored.length <= 6, `${what}: ${stored.length} of ${base.pieces.length} pieces`)
    t.equal(merged.fileCount, entries.length + count, what)
    await finish()
  }
})

t.test('a base with changes is what would be made of the same entries', async t => {
  const store = openTestStore(t)
  for (let seed = 0; seed < 20; seed += 1) {
    const random = seededRandom(seed)
    const pick = (below: number) => Math.floor(random() * below)
    const entries = makeEntries(pick(3) === 0 ? pick(4) : 200 + pick(6000))
    const base = await writeManifest(store.ingest(), 'xxh128', entries)
    await store.ingest().flush()
    const whole = new Map(entries.map(entry => [entry.path, entry]))
    const removed = entries.flatMap(({ path }) => (pick(2000) < 10 ** pick(4) ? [path] : []))
    const added = Array.from({ length: pick(3) === 0 ? pick(3000) : pick(5) }, () => {
      return entryOf(pick(20_000), pick(100))
    })
    const distinct = [...new Map(added.map(entry => [entry.path, entry])).values()]
    for (const path of removed) whole.delete(path)
    for (const entry of distinct) whole.set(entry.path, entry)
    const expected = [...whole.values()].sort(byPath)
    const changes = () => toChanges(distinct, removed)
    const given = { base: base.pieces, changes: changes() }
    const merged = await mergeManifest(store, store.ingest(), given)
    t.same(merged, await writeManifest(store.ingest(), 'xxh128', expected), `seed ${seed}`)
    const listed: Entry[] = []
    for await (const entry of listChanged(store, base.pieces, changes())) listed.push(entry)
    t.same(listed, expected)
  }
})

t.test('entries are found by their paths in a few pieces', async t => {
  const store = openTestStore(t)
  const entries = makeEntries(30_000)
  const { pieces } = await writeManifest(store.ingest(), 'xxh128', entries)
  await store.ingest().finish()
  let reads = 0
  const { catalog } = store
  const counting = Object.create(store, {
    catalog: {
      value: Object.create(catalog, {
        locate: {
          value: (keys: Parameters<typeof catalog.locate>[0]) => {
            reads += keys.length
            return catalog.locate(keys)
          },
        },
      }),
    },
  }) as Store
  const index = new ManifestIndex(counting, pieces)
  t.same(await index.find(entries[12_345]!.path), entries[12_345])
  t.ok(pieces.length > 32 && reads <= 7, `${reads} of ${pieces.length}`)
  for (const n of [0, 1, 14_999, 29_998, 29_999]) {
    t.same(await index.find(entries[n]!.path), entries[n])
  }
  for (const path of ['!', 'folder 500', 'folder 500/x', `${entries[9]!.path}x`, 'z']) {
    t.equal(await index.find(path), undefined, path)
  }
  const below: Entry[] = []
  for await (const entry of index.list('folder 500')) below.push(entry)
  t.same(
    below,
    entries.filter(({ path }) => path.startsWith('folder 500/')),
  )
  t.ok(below.length > 10)
  const none = new ManifestIndex(store, [])
  t.equal(await none.find('x'), undefined)
})
