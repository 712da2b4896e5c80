import type { Page, PlacedKey } from './catalog.js'
import { MAX_BATCH } from './catalog.js'
import { decodeLocation, decodePlace, LOCATION_RANGE } from './keys.js'
import type { Database } from './transaction.js'

/** See `Catalog.listPacked`. */
export async function listPacked(
  db: Database,
  packId: string,
  after?: string,
): Promise<Page<PlacedKey>> {
  const from = after === undefined ? { gte: LOCATION_RANGE.gte } : { gt: Buffer.from(after, 'hex') }
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
  const range = { ...from, lt: LOCATION_RANGE.lt }
  const items: PlacedKey[] = []
  for await (const [key, value] of db.iterator<Buffer, Buffer>({ ...range, ...encodings })) {
    const location = decodeLocation(value)
    if (location.in !== 'pack' || location.packId !== packId) continue
    items.push(decodePlace(key, location))
    if (items.length === MAX_BATCH) return { items, next: key.toString('hex') }
  }
  return { items }
}
