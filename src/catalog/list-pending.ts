import { MAX_BATCH, type Page, type PendingItem } from './catalog.js'
import { keyRange, pageRange } from './keys.js'
import type { Database } from './transaction.js'

/** See `Catalog.listPending`. */
export async function listPending(db: Database, after?: string): Promise<Page<PendingItem>> {
  const range = pageRange(keyRange('pending'), after)
  const rows = await db.iterator({ ...range, limit: MAX_BATCH }).all()
  const items = rows.map(([, value]) => value as PendingItem)
  const last = rows.at(-1)?.[0]
  return rows.length === MAX_BATCH && last ? { items, next: last } : { items }
}
