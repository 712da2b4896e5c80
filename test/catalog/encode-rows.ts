import { createHash } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { encodeRows } from '../../src/catalog/encode-rows.js'
import { encodeLocation, locationKey } from '../../src/catalog/keys.js'
import type { Digest } from '../../src/model/digest.js'
import { PackWriter } from '../../src/pack/pack-writer.js'
import { listPackRecords, readPackTable } from '../../src/pack/read-pack-index.js'

t.test('rows become the entries that their records would', async t => {
  const path = join(t.testdir(), 'some.pack')
  const packId = '0123456789abcdef'
  const writer = new PackWriter(path, { packId, storeId: '0'.repeat(32) })
  const hex = (name: string, text: string) => createHash(name).update(text).digest('hex')
  for (let index = 0; index < 50; index += 1) {
    const bytes = Buffer.from(`content ${index}`.repeat(index))
    const plainLength = bytes.length
    const digests: Digest[] = [
      `md5:${hex('md5', `${index}`)}`,
      `xxh128:${hex('md5', `x ${index}`)}`,
      `sha256:${hex('sha256', `${index}`)}`,
    ]
    for (const digest of digests) {
      writer.append({ kind: 'blob', digest, plainLength, bytes })
      writer.append({ kind: 'piece', digest, plainLength: 3_000_000, encoding: 1, bytes })
      // On both sides of what four bytes hold.
      const size = 2 ** 32 - 25 + index
      writer.append({ kind: 'recipe', digest, plainLength: size, bytes })
    }
  }
  await writer.finish()
  const { records } = listPackRecords(path)
  t.equal(records.length, 450)
  t.same(
    encodeRows(readPackTable(path)!, packId),
    records.map(({ key, ...place }) => ({
      key: locationKey(key),
      value: encodeLocation({ in: 'pack', packId, size: key.size, ...place }),
    })),
  )
})
