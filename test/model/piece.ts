import t from 'tap'
import { generateEntries } from '../../fixtures/generate-entries.js'
import type { Entry } from '../../src/model/entry.js'
import {
  checkPieceOrder,
  decodePiece,
  encodeEntry,
  MAX_LINE_BYTES,
  MAX_PIECE_BYTES,
  parsePiece,
} from '../../src/model/piece.js'

const DIGEST = 'md5:5d41402abc4b2a76b9719d911017c592'
const FILE: Entry = { size: 5, path: 'a', digest: DIGEST }
const LINE = `{"digest":"${DIGEST}","path":"a","size":5}`

const CANONICAL: [string, Entry, string][] = [
  ['a file', FILE, LINE],
  ['undefined is dropped', { ...FILE, ref: undefined, mode: undefined }, LINE],
  [
    'a reference',
    { ref: 's3://b/k', path: 'a', size: 0, digest: 'etag' },
    '{"digest":"etag","path":"a","ref":"s3://b/k","size":0}',
  ],
  [
    'escapes are those of JSON.stringify',
    { ...FILE, path: 'q"\\\t\u0001é\u{1f600}\u2028<' },
    `{"digest":"${DIGEST}","path":"q\\"\\\\\\t\\u0001é\u{1f600}\u2028<","size":5}`,
  ],
  [
    'keys are in UTF-8 order at every level, also those that look like numbers',
    {
      ...FILE,
      '\u{1f600}': 1,
      '\uff5e': 2,
      extra: { b: [{ z: 1, y: null }], 10: true, 9: 'x', a: {}, gone: undefined },
    },
    `{"digest":"${DIGEST}","extra":{"10":true,"9":"x","a":{},"b":[{"y":null,"z":1}]},` +
      '"path":"a","size":5,"\uff5e":2,"\u{1f600}":1}',
  ],
  [
    'numbers are those of JSON.stringify',
    { ...FILE, size: -0, n: [1e21, 0.1, -0, 1e-7] },
    `{"digest":"${DIGEST}","n":[1e+21,0.1,0,1e-7],"path":"a","size":0}`,
  ],
]

t.test('an entry has one canonical line, which reads back', async t => {
  for (const [what, entry, line] of CANONICAL) {
    t.equal(encodeEntry(entry), `${line}\n`, what)
    const read = decodePiece(Buffer.from(`${line}\n`), 'p')
    t.equal(read.length, 1)
    t.equal(encodeEntry(read[0]!), `${line}\n`, what)
  }
})

t.test('a key named __proto__ is kept', async t => {
  const line = `{"__proto__":{"a":1},"digest":"${DIGEST}","path":"a","size":5}\n`
  t.equal(encodeEntry(decodePiece(Buffer.from(line), 'p')[0]!), line)
})

const cycle: unknown[] = []
cycle.push(cycle)

const UNENCODABLE: [string, object, string][] = [
  ['a path that is not canonical', { path: 'a//b' }, 'INVALID_PATH'],
  ['a path out of the artifact', { path: '../a' }, 'INVALID_PATH'],
  ['no path', { path: undefined }, 'INVALID_PATH'],
  ['a digest that is none', { digest: 'etag' }, 'PIECE_INVALID'],
  ['a digest in upper case', { digest: DIGEST.toUpperCase() }, 'PIECE_INVALID'],
  ['an empty digest', { digest: '', ref: 's3://b/k' }, 'PIECE_INVALID'],
  ['a digest with a line feed', { digest: 'a\nb', ref: 's3://b/k' }, 'PIECE_INVALID'],
  ['no digest', { digest: undefined, ref: 's3://b/k' }, 'PIECE_INVALID'],
  ['an empty ref', { ref: '' }, 'PIECE_INVALID'],
  ['a ref that is no string', { ref: 3 }, 'PIECE_INVALID'],
  ['a null ref', { ref: null }, 'PIECE_INVALID'],
  ['a negative size', { size: -1 }, 'PIECE_INVALID'],
  ['half a byte', { size: 0.5 }, 'PIECE_INVALID'],
  ['an unsafe size', { size: 2 ** 53 }, 'PIECE_INVALID'],
  ['a size that is no number', { size: '5' }, 'PIECE_INVALID'],
  ['no size', { size: undefined }, 'PIECE_INVALID'],
  ['infinity', { n: Number.POSITIVE_INFINITY }, 'PIECE_INVALID'],
  ['NaN', { extra: { n: [Number.NaN] } }, 'PIECE_INVALID'],
  ['a bigint', { n: 1n }, 'PIECE_INVALID'],
  ['a function', { f: () => 1 }, 'PIECE_INVALID'],
  ['a date', { d: new Date(0) }, 'PIECE_INVALID'],
  ['undefined in a list', { list: [undefined] }, 'PIECE_INVALID'],
  ['a cycle', { cycle }, 'PIECE_INVALID'],
  ['a line that is too large', { x: 'x'.repeat(MAX_LINE_BYTES) }, 'PIECE_INVALID'],
]

t.test('what the format cannot hold is refused when it is written', async t => {
  for (const [what, change, code] of UNENCODABLE) {
    t.throws(() => encodeEntry({ ...FILE, ...change } as Entry), { code }, what)
  }
})

const B = LINE.replace('"a"', '"b"')

const UNDECODABLE: [string, string | Uint8Array, number | undefined][] = [
  ['no entry', '', 1],
  ['an empty line', '\n', 1],
  ['no line feed at the end', LINE, 1],
  ['a second line without its end', `${LINE}\n${B}`, 2],
  ['two line feeds', `${LINE}\n\n`, 2],
  ['a carriage return', `${LINE}\r\n`, 1],
  ['a byte order mark', `\ufeff${LINE}\n`, 1],
  ['a space', `${LINE.replace(',', ', ')}\n`, 1],
  ['keys in another order', `{"path":"a","digest":"${DIGEST}","size":5}\n`, 1],
  ['a key twice', `${LINE.replace('"path"', '"path":"b","path"')}\n`, 1],
  ['an escape that is not needed', `${LINE.replace('"a"', '"\\u0061"')}\n`, 1],
  ['a number written otherwise', `${LINE.replace(':5', ':5.0')}\n`, 1],
  ['text after the entry', `${LINE}{}\n`, 1],
  ['not JSON', 'hello\n', 1],
  ['a list', '[]\n', 1],
  ['null', 'null\n', 1],
  ['a path twice', `${LINE}\n${LINE}\n`, 2],
  ['paths out of order', `${B}\n${LINE}\n`, 2],
  ['a path that is not canonical', `${LINE.replace('"a"', '"./a"')}\n`, 1],
  ['a path out of the artifact', `${LINE}\n${B.replace('"b"', '"b/../../x"')}\n`, 2],
  ['an absolute path', `${LINE.replace('"a"', '"/etc/passwd"')}\n`, 1],
  ['a digest that is none', `${LINE.replace('md5:', 'md4:')}\n`, 1],
  ['a negative size', `${LINE.replace(':5', ':-5')}\n`, 1],
  ['levels without end', `${LINE.slice(0, -1)},"x":${'['.repeat(9000)}${']'.repeat(9000)}}\n`, 1],
  ['bytes that are not UTF-8', Buffer.from(`${LINE}\n`, 'latin1').fill(0xff, 4, 5), undefined],
  ['a surrogate in UTF-8', Buffer.from([0xed, 0xa0, 0x80, 0x0a]), undefined],
  ['a piece that is too large', Buffer.alloc(MAX_PIECE_BYTES + 1, 0x0a), undefined],
]

t.test('a piece that is not canonical is refused, naming the line', async t => {
  for (const [what, text, line] of UNDECODABLE) {
    const message = line === undefined ? /^piece p: / : new RegExp(`^piece p, line ${line}: `)
    t.throws(() => decodePiece(Buffer.from(text), 'p'), { code: 'PIECE_INVALID', message }, what)
  }
})

t.test('a piece that was looked through reads as one that is not', async t => {
  for (const [name, entry] of CANONICAL) {
    const bytes = Buffer.from([entry, { ...FILE, path: '\u{10ffff}' }].map(encodeEntry).join(''))
    t.same(parsePiece(bytes), decodePiece(bytes, name), name)
  }
})

t.test('unknown keys and thousands of entries survive', async t => {
  const entries = generateEntries(7, 2000).map((entry, i) => ({ ...entry, mode: i, x: { y: [i] } }))
  const bytes = Buffer.from(entries.map(encodeEntry).join(''))
  t.same(decodePiece(bytes, 'p'), entries)
})

t.test('pieces follow each other', async t => {
  t.doesNotThrow(() => checkPieceOrder(undefined, 'a'))
  t.doesNotThrow(() => checkPieceOrder('\uff5e', '\u{1f600}'))
  t.throws(() => checkPieceOrder('a', 'a'), { code: 'PIECE_INVALID' })
  t.throws(() => checkPieceOrder('b', 'a'), {
    code: 'PIECE_INVALID',
    details: { previous: 'b', path: 'a' },
  })
})
