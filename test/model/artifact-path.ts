import { createHash } from 'node:crypto'
import t from 'tap'
import {
  compareUtf8,
  isCanonicalPath,
  normalizeArtifactPath,
} from '../../src/model/artifact-path.js'

const LONG_PART = 'x'.repeat(255)
const LONG_PATH = `${'a/'.repeat(2047)}bb`

const KEPT = [
  'a.txt',
  'a/b/c',
  '.hidden',
  '...',
  '..a/b..',
  'a b',
  'a:b',
  'ab:/c',
  'back\\slash',
  '\\x',
  '\\\\server\\share',
  '..\\x',
  'é\u{1f600}',
  'tab\t',
  'cr\r',
  ' ',
  LONG_PART,
  `${LONG_PART}/${LONG_PART}`,
  'é'.repeat(127),
  LONG_PATH,
]

const CHANGED: [string, string][] = [
  ['a//b', 'a/b'],
  ['./q', 'q'],
  ['.//q', 'q'],
  ['a/./b', 'a/b'],
  ['a/.', 'a'],
  ['a/', 'a'],
  ['a/b//', 'a/b'],
]

const REFUSED = [
  '',
  '.',
  './',
  '..',
  '../a',
  'a/..',
  'a/../b',
  './..',
  '/',
  '/a',
  '//a',
  'C:/x',
  'c:\\x',
  'C:',
  './C:/x',
  'a\nb',
  '\n',
  'a\0b',
  '\ud800',
  'a/\udc00b',
  '\ude00\ud83d',
  `${LONG_PART}x`,
  `a/${LONG_PART}x`,
  'é'.repeat(128),
  `${LONG_PATH}b`,
]

t.test('paths in an artifact', async t => {
  for (const path of KEPT) {
    t.equal(normalizeArtifactPath(path), path)
    t.ok(isCanonicalPath(path), JSON.stringify(path))
  }
  for (const [path, canonical] of CHANGED) {
    t.equal(normalizeArtifactPath(path), canonical)
    t.notOk(isCanonicalPath(path), path)
  }
  for (const path of REFUSED) {
    const expected = { code: 'INVALID_PATH', details: { path } }
    t.throws(() => normalizeArtifactPath(path), expected, JSON.stringify(path).slice(0, 40))
    t.notOk(isCanonicalPath(path))
  }
  for (const path of [undefined, null, 3, ['a']]) {
    t.throws(() => normalizeArtifactPath(path), TypeError)
  }
})

t.test('a refusal says what is wrong', async t => {
  const reasons: [string, RegExp][] = [
    ['', /empty/],
    ['/a', /absolute/],
    ['a/../b', /"\.\."/],
    ['./', /artifact itself/],
    ['./C:/x', /drive/],
    ['a\nb', /'a\\nb'.*line feed/],
    ['\ud800', /UTF-8/],
    [`${LONG_PART}x`, /longer/],
  ]
  for (const [path, message] of reasons) {
    t.throws(() => normalizeArtifactPath(path), { message })
  }
})

t.test('order is that of the UTF-8 bytes', async t => {
  const units = ['', 'a', 'b', '/', '.', '\x7f', '\x80', '\u07ff', '\u0800', '\ud7ff', '\ue000']
  const pool = [...units, '\uff5e', '\uffff', '\u{10000}', '\u{1f600}', '\u{10ffff}', 'aa', 'é']
  const strings = pool.flatMap(x => pool.flatMap(y => [x + y, `a${x}${y}b`]))
  for (let i = 0; i < 200; i++) {
    const bytes = createHash('md5').update(`order ${i}`).digest()
    strings.push(Array.from(bytes.subarray(0, 6), b => pool[b % pool.length]).join(''))
  }
  const encoded = strings.map(text => Buffer.from(text))
  const wrong: string[] = []
  for (const [i, a] of strings.entries()) {
    for (const [j, b] of strings.entries()) {
      const expected = Buffer.compare(encoded[i]!, encoded[j]!)
      if (Math.sign(compareUtf8(a, b)) !== expected) wrong.push(JSON.stringify([a, b]))
    }
  }
  t.same(wrong, [])
  t.ok('\u{1f600}' < '\uff5e', 'which plain comparison is not')
})
