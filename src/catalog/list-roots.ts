import type { Piece } from '../model/entry.js'
import type { VersionRow } from './apply-record.js'
import type { Page } from './catalog.js'
import type { Root } from './keeping.js'
import { keyRange, keys, pageRange } from './keys.js'
import type { Database } from './transaction.js'

/** Pieces in one page, unless one version alone has more. */
const PAGE_PIECES = 5000
/** Versions in one page. */
const PAGE = 500

/**
 * See `Keeping.listRoots`. This is the one place that says what needs bytes: each version, and each
 * part of an open one, that the index has, whatever its state.
 */
export async function listRoots(db: Database, after?: string): Promise<Page<Root>> {
  const items: Root[] = []
  let pieceCount = 0
  for await (const [key, value] of db.iterator(pageRange(keyRange('version'), after))) {
    const row = value as VersionRow
    const [pieces = [], used] = (await db.getMany([keys.pieces(row.id), keys.used(row.id)])) as [
      Piece[] | undefined,
      number | undefined,
    ]
    const { id, entity, project, name, number, state, external = [] } = row
    const { remoteId } = row
    const evicted = row.evicted === true
    const usedAt = used ?? Date.parse(row.createdAt)
    items.push({
      ...{ id, entity, project, name, number, state, evicted, usedAt, external, pieces },
      ...(remoteId !== undefined && { remoteId }),
    })
    pieceCount += pieces.length
    if (items.length === PAGE || pieceCount >= PAGE_PIECES) return { items, next: key }
  }
  return { items }
}
