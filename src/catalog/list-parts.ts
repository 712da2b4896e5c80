import type { Piece } from '../model/entry.js'
import { type OpenName, openVersionId } from '../model/open-version-id.js'
import type { VersionRow } from './apply-record.js'
import type { Page } from './catalog.js'
import { keyRange, keys, pageRange } from './keys.js'
import type { Part } from './open-version.js'
import type { Database } from './transaction.js'

/** Parts in one page: most have one piece. */
const PAGE = 500

/** See `Catalog.listParts`. */
export async function listParts(db: Database, open: OpenName, after?: string): Promise<Page<Part>> {
  const range = pageRange(keyRange('part', openVersionId(open)), after)
  const found = await db.iterator({ ...range, limit: PAGE }).all()
  const ids = found.map(([, id]) => id as string)
  const rows = (await db.getMany(ids.map(keys.version))) as (VersionRow | undefined)[]
  const pieces = (await db.getMany(ids.map(keys.pieces))) as (Piece[] | undefined)[]
  const items = rows.flatMap((row, index): Part[] => {
    const own = pieces[index]
    // Somebody finished it between these reads.
    if (!row || !own) return []
    const { number: _, state: __, settled: ___, error: ____, external = [], ...content } = row
    return [{ version: { ...content, pieces: own }, external }]
  })
  const last = found.at(-1)?.[0]
  return found.length === PAGE && last ? { items, next: last } : { items }
}
