import t from 'tap'
import type { BlobKey } from '../../src/model/blob-key.js'
import {
  decodeIndices,
  decodeKeyRows,
  encodeIndices,
  encodeKeyRows,
} from '../../src/remote/key-rows.js'

const hex = 'f0e1d2c3b4a5968778695a4b3c2d1e0f'

t.test('keys have the bytes of the protocol', async t => {
  const keys: BlobKey[] = [
    { kind: 'blob', digest: `xxh128:${hex}`, size: 0x0a0b },
    { kind: 'piece', digest: `md5:${hex}`, size: 2 ** 32 + 1 },
    { kind: 'recipe', digest: `sha256:${hex}${hex}`, size: Number.MAX_SAFE_INTEGER },
  ]
  const rows = encodeKeyRows(keys)
  t.equal(
    rows.toString('hex'),
    [
      `0101${hex}0b0a000000000000`,
      `0202${hex}0100000001000000`,
      `0303${hex}${hex}ffffffffffff1f00`,
    ].join(''),
  )
  t.same(decodeKeyRows(rows), keys)
  t.same(decodeKeyRows(encodeKeyRows([])), [])
})

t.test('a row that is none is refused by its number', async t => {
  const row = `0101${hex}0500000000000000`
  const broken = {
    'an unknown kind': `04${row.slice(2)}`,
    'an unknown algorithm': `0109${row.slice(4)}`,
    'a size beyond 2^53': `0101${hex}0000000000002000`,
    'a cut size': row.slice(0, -2),
    'a cut digest': row.slice(0, 20),
    'a cut kind': row.slice(0, 2),
  }
  for (const [name, last] of Object.entries(broken)) {
    const error = { code: 'REQUEST_INVALID', details: { row: 1 } }
    t.throws(() => decodeKeyRows(Buffer.from(row + last, 'hex')), error, name)
  }
})

t.test('indices are ascending, and of what was asked', async t => {
  t.same(decodeIndices(encodeIndices([0, 3, 70_000]), 70_001), [0, 3, 70_000])
  t.equal(decodeIndices(encodeIndices([0, 3]), 3), null)
  t.equal(decodeIndices(encodeIndices([3, 3]), 4), null)
  t.equal(decodeIndices(Buffer.alloc(3), 4), null)
})
