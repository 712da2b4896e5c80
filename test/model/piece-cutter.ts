import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { cutPieces } from '../../fixtures/cut-pieces.js'
import { generateEntries } from '../../fixtures/generate-entries.js'
import { manifestDigestHeader, manifestDigestLine } from '../../src/model/artifact-digest.js'
import { compareUtf8 } from '../../src/model/artifact-path.js'
import type { Entry } from '../../src/model/entry.js'
import { hashPath } from '../../src/model/path-hash.js'
import {
  CUT_MAX_BYTES,
  CUT_MIN_BYTES,
  decodePiece,
  encodeEntry,
  PieceCutter,
} from '../../src/model/piece.js'

interface Golden {
  hashes: { path: string; hash: number }[]
  manifests: {
    seed: number
    count: number
    artifact: string
    pieces: { size: number; count: number; md5: string }[]
  }[]
}

// Relative to dist/test/model.
const file = new URL('../../../fixtures/golden/pieces.json', import.meta.url)
const golden: Golden = JSON.parse(readFileSync(file, 'utf8'))

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')
const isBoundary = (path: string) => (hashPath(path) & 0x1ff) === 0

t.test('the golden hashes', async t => {
  for (const { path, hash } of golden.hashes) t.equal(hashPath(path), hash, JSON.stringify(path))
})

for (const { seed, count, artifact, pieces } of golden.manifests) {
  t.test(`the golden pieces of ${count} entries with seed ${seed}`, async t => {
    const entries = generateEntries(seed, count)
    const cut = cutPieces(entries)
    t.same(
      cut.map(({ bytes, count }) => ({ size: bytes.length, count, md5: md5(bytes) })),
      pieces,
    )
    const lines = Buffer.from(entries.map(manifestDigestLine).join(''))
    t.equal(md5(Buffer.concat([manifestDigestHeader, lines])), artifact)
  })
}

t.test('pieces are all the lines, each piece cut by the rule', async t => {
  const entries = generateEntries(3, 20_000)
  const pieces = cutPieces(entries)
  const whole = Buffer.concat(pieces.map(({ bytes }) => bytes))
  t.equal(whole.toString(), entries.map(encodeEntry).join(''))
  t.ok(pieces.length > 10, `${pieces.length} pieces`)

  for (const [i, { bytes, count }] of pieces.entries()) {
    const read = decodePiece(bytes, `${i}`)
    t.equal(read.length, count)
    let size = 0
    const ends = read.filter(entry => {
      size += Buffer.byteLength(encodeEntry(entry))
      return size >= CUT_MAX_BYTES || (size >= CUT_MIN_BYTES && isBoundary(entry.path))
    })
    if (i < pieces.length - 1) t.same(ends, [read.at(-1)], `piece ${i}`)
    else t.ok(ends.length === 0 || ends[0] === read.at(-1), 'the last piece may end anywhere')
  }
})

t.test('an empty artifact has no pieces', async t => {
  t.equal(new PieceCutter().end(), undefined)
})

t.test('a piece is cut at the maximum when no path is a boundary', async t => {
  const paths: string[] = []
  for (let i = 0; paths.length < 6000; i++) {
    const path = `f${String(i).padStart(8, '0')}`
    if (!isBoundary(path)) paths.push(path)
  }
  const digest = `sha256:${'0'.repeat(64)}`
  const pieces = cutPieces(paths.map(path => ({ path, digest, size: 1 })))
  const line = encodeEntry({ path: paths[0]!, digest, size: 1 }).length
  const full = Math.ceil(CUT_MAX_BYTES / line)
  t.same(
    pieces.map(({ count }) => count),
    [full, full, 6000 - 2 * full],
  )
})

t.test('one line larger than a piece is a piece of its own', async t => {
  const note = '\u{1f600}'.repeat(120_000)
  const pieces = cutPieces([{ path: 'a', digest: `md5:${'0'.repeat(32)}`, size: 1, note }])
  t.equal(pieces.length, 1)
  t.equal(decodePiece(pieces[0]!.bytes, 'p')[0]?.note, note)
})

t.test('a finished piece does not change when the cutter goes on', async t => {
  const cutter = new PieceCutter()
  const [a, b] = generateEntries(5, 2).map(entry => [encodeEntry(entry), entry.path] as const)
  cutter.push(...a!)
  const first = cutter.end()!
  cutter.push(...b!)
  t.equal(Buffer.from(first.bytes).toString(), a![0])
  t.equal(first.bytes.buffer.byteLength, first.bytes.length, 'and is memory of its own')
})

t.test('paths out of order are refused', async t => {
  const cutter = new PieceCutter()
  const digest = `md5:${'0'.repeat(32)}`
  const push = (path: string) => cutter.push(encodeEntry({ path, digest, size: 1 }), path)
  push('b')
  t.throws(() => push('b'), { code: 'PIECE_INVALID' })
  cutter.end()
  t.throws(() => push('a'), { code: 'PIECE_INVALID' }, 'across pieces too')
})

t.test('one change among 100,000 entries rewrites few pieces', async t => {
  const entries = generateEntries(11, 100_000)
  const before = new Set(cutPieces(entries).map(({ bytes }) => md5(bytes)))
  const digest = `md5:${'f'.repeat(32)}`
  const countNew = (changed: Entry[]) =>
    cutPieces(changed).filter(({ bytes }) => !before.has(md5(bytes))).length

  for (const at of [0, 33_333, 50_000, 99_999]) {
    const { path } = entries[at]!
    const edited = entries.with(at, { path, digest, size: 1 })
    const inserted = entries.toSpliced(at + 1, 0, { path: `${path}~`, digest, size: 1 })
    inserted.sort((a, b) => compareUtf8(a.path, b.path))
    const removed = entries.toSpliced(at, 1)
    for (const [what, changed] of Object.entries({ edited, inserted, removed })) {
      const count = countNew(changed)
      t.ok(count >= 1 && count <= 3, `entry ${at} ${what}: ${count} new pieces of ${before.size}`)
    }
  }
})
