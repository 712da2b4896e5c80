import type { Page, VersionFilter } from './catalog.js'
import type { KeptConflict } from './changing.js'
import { keyRange, pageRange } from './keys.js'
import type { Database } from './transaction.js'

/** Conflicts in one page of a list. */
const PAGE = 500

/** See `Catalog.listConflicts`. */
export async function listConflicts(
  db: Database,
  { entity, project, name }: Pick<VersionFilter, 'entity' | 'project' | 'name'>,
  after?: string,
): Promise<Page<KeptConflict>> {
  const parts = [entity, project, name]
  const end = parts.indexOf(undefined)
  const prefix = (end === -1 ? parts : parts.slice(0, end)) as string[]
  const items: KeptConflict[] = []
  for await (const [key, value] of db.iterator(pageRange(keyRange('conflict', ...prefix), after))) {
    items.push(value as KeptConflict)
    if (items.length === PAGE) return { items, next: key }
  }
  return { items }
}
