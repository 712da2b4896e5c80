import { createHash } from 'node:crypto'
import t from 'tap'
import { hashPath } from '../../src/model/path-hash.js'

const PRIME = 0x01000193n
const MASK = 0xffffffffn

/** The definition, in arbitrary precision, over the bytes that Node encodes. */
function referenceHash(path: string): number {
  let hash = 0x811c9dc5n
  for (const byte of Buffer.from(path)) hash = ((hash ^ BigInt(byte)) * PRIME) & MASK
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & MASK
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & MASK
  return Number(hash ^ (hash >> 16n))
}

t.test('it is the definition, for paths of all widths', async t => {
  const paths = ['', 'a', 'é', '\uffff', '\u{10000}', '\u{10ffff}', 'a/é\uff5e\u{1f600}b']
  for (let i = 0; i < 1000; i++) {
    const h = createHash('md5').update(`hash ${i}`).digest('hex')
    const code = Number.parseInt(h.slice(0, 5), 16)
    if (code < 0xd800 || code > 0xdfff) paths.push(`${h}/${String.fromCodePoint(code)}`)
  }
  t.same(
    paths.filter(path => hashPath(path) !== referenceHash(path)),
    [],
  )
})

t.test('one path in 512 is a boundary, whatever paths have in common', async t => {
  const numbered = Array.from({ length: 100_000 }, (_, i) => `images/${i}.png`)
  const boundaries = numbered.filter(path => (hashPath(path) & 0x1ff) === 0)
  t.ok(boundaries.length > 150 && boundaries.length < 250, `${boundaries.length} of 100,000`)
})
