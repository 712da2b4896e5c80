import { MAX_BATCH, type Page, type PendingItem } from './catalog.js'
import { keyRange, keys, pageRange } from './keys.js'
import type { Database } from './transaction.js'

/** Where the list goes on after an item, also when it was the last, or is gone. */
export function pendingAfter({ seq }: PendingItem): string {
  return keys.pending(seq)
}

/** See `Catalog.listPending`. */
export async function listPending(db: Database, after?: string): Promise<Page<PendingItem>> {
  const range = pageRange(keyRange('pending'), after)
  const rows = await db.iterator({ ...range, limit: MAX_BATCH }).all()
  const items = rows.map(([, value]) => value as PendingItem)
  const last = rows.at(-1)?.[0]
  return rows.length === MAX_BATCH && last ? { items, next: last } : { items }
}
