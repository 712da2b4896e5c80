import { readFileSync } from 'node:fs'
import t from 'tap'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { CutFinder, MAX_CHUNK, MIN_CHUNK } from '../../src/chunk/find-cut.js'

interface Vectors {
  gear: Record<string, number>
  chunks: { seed: string; length: number; lengths: number[] }[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../fixtures/golden/chunks.json', import.meta.url), 'utf8'),
)

function cutAll(bytes: Uint8Array): number[] {
  const lengths: number[] = []
  const finder = new CutFinder(bytes.length)
  finder.window.set(bytes)
  for (let at = 0; at < bytes.length; at += lengths.at(-1)!) {
    lengths.push(finder.findCut(at, bytes.length))
  }
  return lengths
}

/** The rule as docs/format.md has it, without a shortcut. */
function gearOf(byte: number): number {
  let hash = Math.imul(byte + 1, 0x9e3779b1) >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0
  return (hash ^ (hash >>> 16)) >>> 0
}

function cutSlowly(bytes: Uint8Array): number[] {
  const lengths: number[] = []
  let hash = 0
  let length = 0
  for (const byte of bytes) {
    hash = (hash * 2 + gearOf(byte)) % 2 ** 32
    length += 1
    if (length < MAX_CHUNK && (length < MIN_CHUNK || hash >= 2 ** 16)) continue
    lengths.push(length)
    hash = 0
    length = 0
  }
  return length > 0 ? [...lengths, length] : lengths
}

t.test('chunks end where the golden vectors say', async t => {
  for (const [byte, value] of Object.entries(vectors.gear)) t.equal(gearOf(Number(byte)), value)
  for (const { seed, length, lengths } of vectors.chunks) {
    t.same(cutAll(seededBytes(seed, length)), lengths, `${length} bytes of "${seed}"`)
  }
})

t.test('the rule is the one that is written down', async t => {
  const random = seededBytes('rule', 3_000_000)
  const text = Buffer.from(readFileSync(new URL('../../../package-lock.json', import.meta.url)))
  for (const bytes of [random, text, Buffer.alloc(1_000_000), Buffer.alloc(0), Buffer.alloc(1)]) {
    t.same(cutAll(bytes), cutSlowly(bytes))
  }
})

t.test('chunks keep their bounds, and most stay the same after an insertion', async t => {
  const bytes = seededBytes('edit', 4_000_000)
  const digests = (whole: Buffer) => {
    let at = 0
    return cutAll(whole).map(length => {
      at += length
      return whole.subarray(at - length, at).toString('latin1')
    })
  }
  const before = digests(bytes)
  for (const chunk of before.slice(0, -1)) {
    t.ok(chunk.length >= MIN_CHUNK && chunk.length <= MAX_CHUNK)
  }
  const known = new Set(before)
  const edited = Buffer.concat([bytes.subarray(0, 2e6), Buffer.from('x'), bytes.subarray(2e6)])
  const news = digests(edited).filter(chunk => !known.has(chunk))
  t.ok(news.length <= 4, `${news.length} of ${before.length} chunks are new`)
})
