import t from 'tap'
import type { KeyRef, Location } from '../../src/catalog/catalog.js'
import { encodeLocation, locationKey } from '../../src/catalog/keys.js'
import { decodePlaces, encodePlaces, encodeRefs, splitRefs } from '../../src/catalog/place-rows.js'

const hex = 'f0e1d2c3b4a5968778695a4b3c2d1e0f'
const packId = '0123456789abcdef'

t.test('keys go through rows as the index has them', async t => {
  const refs: KeyRef[] = [
    { kind: 'blob', digest: `xxh128:${hex}` },
    { kind: 'piece', digest: `md5:${hex}` },
    { kind: 'recipe', digest: `sha256:${hex}${hex}` },
  ]
  t.same(splitRefs(encodeRefs(refs)), refs.map(locationKey))
  t.same(splitRefs(encodeRefs([])), [])
})

t.test('a key with too long a digest takes no room of the next one', async t => {
  const long = { kind: 'blob', digest: `xxh128:${hex}${hex}${hex}` } as const
  const next = { kind: 'blob', digest: `xxh128:${hex}` } as const
  t.same(splitRefs(encodeRefs([long, next])), [long, next].map(locationKey))
})

t.test('places go through rows, and so does that there is none', async t => {
  const record = { in: 'pack', packId, storedLength: 7, encoding: 1 } as const
  const places: (Location | null)[] = [
    { ...record, offset: 0, size: 0 },
    null,
    { ...record, encoding: 0, offset: 2 ** 40 + 1, size: 2 ** 32 - 1 },
    { ...record, offset: 64, size: 2 ** 32 },
    { in: 'object', size: 2 ** 50 + 3 },
    null,
  ]
  const values = places.map(place => (place ? encodeLocation(place) : undefined))
  t.same(decodePlaces(encodePlaces(values)), places)
  t.same(decodePlaces(encodePlaces([])), [])
})
