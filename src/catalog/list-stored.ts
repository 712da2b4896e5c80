import { LOCATION_RANGE } from './keys.js'
import type { Database } from './transaction.js'

/** Rows in one page: about 500 KB. */
const PAGE = 8192
const LENGTHS = 4

/** See `Keeping.listStored`. */
export async function listStored(
  db: Database,
  after?: string,
): Promise<{ rows: string; next?: string }> {
  const from = after === undefined ? { gte: LOCATION_RANGE.gte } : { gt: Buffer.from(after, 'hex') }
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
  const found = await db
    .iterator<Buffer, Buffer>({ ...from, lt: LOCATION_RANGE.lt, limit: PAGE, ...encodings })
    .all()
  const rows = Buffer.concat(
    found.flatMap(([key, value]) => {
      const lengths = Buffer.alloc(LENGTHS)
      lengths.writeUInt16LE(key.length, 0)
      lengths.writeUInt16LE(value.length, 2)
      return [lengths, key, value]
    }),
  ).toString('base64')
  const last = found.at(-1)?.[0]
  return found.length === PAGE && last ? { rows, next: last.toString('hex') } : { rows }
}

/** The keys and locations of one page, as the index has them. */
export function* decodeStored(rows: string): Generator<[key: Buffer, value: Buffer], void> {
  const bytes = Buffer.from(rows, 'base64')
  for (let at = 0; at < bytes.length; ) {
    const start = at + LENGTHS
    const middle = start + bytes.readUInt16LE(at)
    const end = middle + bytes.readUInt16LE(at + 2)
    yield [bytes.subarray(start, middle), bytes.subarray(middle, end)]
    at = end
  }
}
