import t from 'tap'
import { collect } from '../../fixtures/collect.js'
import { cutPieces } from '../../fixtures/cut-pieces.js'
import { generateEntries } from '../../fixtures/generate-entries.js'
import { seededRandom } from '../../fixtures/seeded-random.js'
import { compareUtf8 } from '../../src/model/artifact-path.js'
import type { Change } from '../../src/model/change.js'
import type { Digest } from '../../src/model/digest.js'
import type { Entry, Piece } from '../../src/model/entry.js'
import { decodePiece } from '../../src/model/piece.js'
import { diffPieces } from '../../src/store/diff-pieces.js'
import { findMoves } from '../../src/store/find-moves.js'
import { pairPieces } from '../../src/store/pair-pieces.js'

/** Pieces by their bytes, as if these were digests. */
function cut(entries: Entry[]): Piece[] {
  return cutPieces(entries).map(({ bytes, count }) => ({
    digest: Buffer.from(bytes).toString() as Digest,
    size: bytes.length,
    count,
  }))
}

async function diff(before: Entry[], after: Entry[]) {
  const read = { before: 0, after: 0 }
  const reader = (side: 'before' | 'after') => async (piece: Piece) => {
    read[side] += 1
    return decodePiece(Buffer.from(piece.digest), 'a piece')
  }
  const pairs = pairPieces(cut(before), cut(after))
  const changes = await collect(
    diffPieces(pairs, { readBefore: reader('before'), readAfter: reader('after') }),
  )
  return { changes, read }
}

/** The same, from all entries at once. */
function diffWhole(before: Entry[], after: Entry[]): Change[] {
  const old = new Map(before.map(entry => [entry.path, entry]))
  const young = new Map(after.map(entry => [entry.path, entry]))
  const gone = before.filter(({ path }) => !young.has(path))
  const changes: Change[] = []
  for (const entry of after) {
    const known = old.get(entry.path)
    if (known && JSON.stringify(known) !== JSON.stringify(entry)) {
      changes.push({ kind: 'changed', path: entry.path, before: known, after: entry })
    }
    if (known) continue
    const from = gone.findIndex(
      ({ digest, size, ref }) =>
        size > 0 && digest === entry.digest && size === entry.size && ref === entry.ref,
    )
    const [moved] = from === -1 ? [] : gone.splice(from, 1)
    if (moved) {
      const { path } = entry
      changes.push({ kind: 'moved', path, from: moved.path, before: moved, after: entry })
    } else changes.push({ kind: 'added', path: entry.path, after: entry })
  }
  for (const entry of gone) changes.push({ kind: 'removed', path: entry.path, before: entry })
  return changes.sort((a, b) => compareUtf8(a.path, b.path))
}

const byPath = (a: Entry, b: Entry) => compareUtf8(a.path, b.path)

function shuffleSome(entries: Entry[], random: () => number): Entry[] {
  const spare = generateEntries(Math.floor(random() * 1000), 200)
  const changed = entries.flatMap((entry): Entry[] => {
    const dice = random()
    const other = spare[Math.floor(random() * spare.length)]!
    if (dice < 0.01) return []
    if (dice < 0.02) return [{ ...entry, path: `moved/${entry.path}` }]
    if (dice < 0.03) return [{ ...other, path: entry.path }]
    if (dice < 0.035) return [{ ...entry, size: 0 }]
    if (dice < 0.04) return [{ ...entry, extra: { dice } }]
    if (dice < 0.05) return [entry, { ...other, path: `new/${entry.path}` }]
    if (dice < 0.06) return [entry, { ...entry, path: `copy/${entry.path}` }]
    return [entry]
  })
  return changed.sort(byPath)
}

t.test('a diff is what a comparison of all entries finds, on seeded trees', async t => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = seededRandom(seed)
    const before = generateEntries(seed, Math.floor(random() * 4000))
    const after = shuffleSome(before, random)
    const { changes } = await diff(before, after)
    t.same(changes, diffWhole(before, after), `seed ${seed}, ${changes.length} changes`)
    const back = await diff(after, before)
    t.same(back.changes, diffWhole(after, before), `seed ${seed}, backwards`)
  }
})

t.test('versions without anything in common, empty ones and equal ones', async t => {
  const some = generateEntries(1, 2000)
  const other = generateEntries(2, 2000)
  t.same((await diff(some, other)).changes, diffWhole(some, other))
  t.same((await diff([], some)).changes, diffWhole([], some))
  t.same((await diff(some, [])).changes, diffWhole(some, []))
  t.same(await diff([], []), { changes: [], read: { before: 0, after: 0 } })
  t.same(await diff(some, some), { changes: [], read: { before: 0, after: 0 } })
})

t.test('one changed file among 50,000 reads one piece of each, whatever their number', async t => {
  const before = generateEntries(7, 50_000)
  t.ok(cut(before).length > 50)
  for (const at of [0, 25_000, 49_999]) {
    const after = before.with(at, { ...before[at]!, size: 1 })
    const { changes, read } = await diff(before, after)
    t.match(changes, [{ kind: 'changed', path: before[at]!.path, after: { size: 1 } }])
    t.equal(changes.length, 1)
    t.same(read, { before: 1, after: 1 })
  }
  const added = { ...before[0]!, path: 'zz' }
  const { changes, read } = await diff(before, [...before, added])
  t.same(changes, [{ kind: 'added', path: 'zz', after: added }])
  t.ok(read.before <= 1 && read.after <= 2)
})

t.test('of more changes than are held, moves are passed as they come', async t => {
  const before = generateEntries(3, 60)
  const after = before.map(entry => ({ ...entry, path: `moved/${entry.path}` }))
  async function* all(): AsyncGenerator<Change> {
    for (const entry of before) yield { kind: 'removed', path: entry.path, before: entry }
    for (const entry of after) yield { kind: 'added', path: entry.path, after: entry }
  }
  const kinds = async (among: number) => {
    const changes = await collect(findMoves(all(), { among }))
    return changes.map(({ kind }) => kind)
  }
  t.same(await kinds(120), Array(60).fill('moved'))
  t.same(await kinds(119), [...Array(60).fill('removed'), ...Array(60).fill('added')])
})

t.test('identical content moves one for one, in path order; empty files do not move', async t => {
  const file = (path: string, size = 3): Entry => ({
    path,
    digest: 'md5:5d41402abc4b2a76b9719d911017c592',
    size,
  })
  const { changes } = await diff([file('a'), file('b'), file('e', 0)], [file('x'), file('y', 0)])
  t.same(
    changes.map(({ kind, path, ...rest }) => [kind, path, 'from' in rest ? rest.from : null]),
    [
      ['removed', 'b', null],
      ['removed', 'e', null],
      ['moved', 'x', 'a'],
      ['added', 'y', null],
    ],
  )
})
