import t from 'tap'
import type { Catalog } from '../../src/catalog/catalog.js'
import { putStatRecords } from '../../src/store/put-stat-records.js'

t.test('records go in messages of bounded size, and take no memory afterwards', async t => {
  const records = Array.from({ length: 20 }, (_, index) => {
    return { folder: `/${index}`, record: Buffer.alloc(100_000, index) }
  })
  const messages: { folder: string; record: string }[][] = []
  const catalog = {
    putFolders: async (some: { folder: string; record: string }[]) => void messages.push(some),
  }
  await putStatRecords(catalog as unknown as Catalog, records)
  t.same(
    messages.flat().map(({ folder }) => folder),
    records.map(({ folder }) => folder),
  )
  t.ok(messages.every(some => JSON.stringify(some).length < 1024 * 1024))
  t.equal(messages.flat()[7]?.record, Buffer.alloc(100_000, 7).toString('base64'))
  t.ok(records.every(({ record }) => record.length === 0))
})
