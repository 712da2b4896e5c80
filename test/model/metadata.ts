import t from 'tap'
import { normalizeMetadata } from '../../src/model/metadata.js'

const cycle: Record<string, unknown> = { a: [] }
cycle.a = [{ back: cycle }]

const keys = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, i]))
const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) })

t.test('what JSON holds is copied', async t => {
  const given = {
    text: 'é\u{1f600}',
    yes: true,
    none: null,
    list: [1, [2, { three: 3 }]],
    gone: undefined,
    holes: [undefined, 1],
    nan: Number.NaN,
    deep: { nan: [Number.NaN], gone: undefined },
    date: new Date(0),
    custom: { toJSON: (key: string) => ({ key }) },
    zero: -0,
  }
  const copy = normalizeMetadata(given)
  t.strictSame(copy, {
    text: 'é\u{1f600}',
    yes: true,
    none: null,
    list: [1, [2, { three: 3 }]],
    holes: [null, 1],
    nan: null,
    deep: { nan: [null] },
    date: '1970-01-01T00:00:00.000Z',
    custom: { key: 'custom' },
    zero: 0,
  })
  t.strictSame(JSON.parse(JSON.stringify(copy)), copy)
  t.notOk('gone' in copy)

  given.deep.nan.push(1)
  t.strictSame(copy.deep, { nan: [null] }, 'later changes are not seen')
})

t.test('absent metadata is empty', async t => {
  for (const value of [undefined, null, {}]) t.strictSame(normalizeMetadata(value), {})
})

t.test('a key named __proto__ is a key', async t => {
  const copy = normalizeMetadata(JSON.parse('{"__proto__":{"a":1}}'))
  t.same(Object.keys(copy), ['__proto__'])
  t.equal(copy.a, undefined)
})

t.test('one object in two places is no cycle', async t => {
  const shared = { a: 1 }
  t.strictSame(normalizeMetadata({ x: shared, y: [shared] }), { x: { a: 1 }, y: [{ a: 1 }] })
})

t.test('limits', async t => {
  t.equal(Object.keys(normalizeMetadata({ ...keys(100), gone: undefined })).length, 100)
  t.strictSame(normalizeMetadata({ inner: keys(101) }), { inner: keys(101) })
  t.throws(() => normalizeMetadata(keys(101)), { code: 'INVALID_METADATA' })
  t.same(normalizeMetadata(nested(100)), nested(100))
  t.throws(() => normalizeMetadata(nested(101)), { code: 'INVALID_METADATA' })
})

const REFUSED: [string, unknown, string][] = [
  ['a string', 'a', ''],
  ['an array', [1], ''],
  ['a date', new Date(0), ''],
  ['infinity', { a: { b: [0, Number.POSITIVE_INFINITY] } }, 'a.b.1'],
  ['minus infinity', { a: Number.NEGATIVE_INFINITY }, 'a'],
  ['a function', { a: () => 1 }, 'a'],
  ['a symbol', { a: [Symbol('s')] }, 'a.0'],
  ['a bigint', { a: 1n }, 'a'],
  ['a map', { a: new Map([[1, 2]]) }, 'a'],
  ['bytes', { a: new Uint8Array(2) }, 'a'],
  ['a cycle', cycle, 'a.0.back'],
]

t.test('what JSON does not hold is refused, naming the key', async t => {
  for (const [what, value, key] of REFUSED) {
    const expected = { code: 'INVALID_METADATA', details: { key } }
    t.throws(() => normalizeMetadata(value), expected, what)
  }
})
