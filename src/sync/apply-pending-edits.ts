import type { PendingItem } from '../catalog/catalog.js'
import { listPages } from '../catalog/list-pages.js'
import type { Version } from '../model/version.js'
import type { Store } from '../store/store.js'

type Described = Pick<
  Version,
  'id' | 'entity' | 'project' | 'name' | 'description' | 'metadata' | 'tags' | 'aliases'
>

/** A version of the remote of which nothing is here, as it will be once it knows these edits. */
export function applyPendingEdits<T extends Described>(version: T, edits: PendingItem[]): T {
  let result = version
  for (const { versionId, change, ...item } of edits) {
    const { entity, project, name } = item
    const isIn = entity === version.entity && project === version.project && name === version.name
    if (!change || !isIn) continue
    const { description, metadata, tags, aliases } = change
    const added = aliases?.add.map(({ alias }) => alias) ?? []
    if (versionId !== version.id) {
      result = { ...result, aliases: unite(result.aliases, { remove: added }) }
      continue
    }
    result = {
      ...result,
      ...(description && { description: description.to }),
      ...(metadata && { metadata: metadata.to }),
      ...(tags && { tags: unite(result.tags, tags) }),
      ...(aliases && { aliases: unite(result.aliases, { ...aliases, add: added }) }),
    }
  }
  return result
}

/** Edits that the remote does not know yet, and did not refuse. */
export async function listPendingEdits({ catalog }: Store): Promise<PendingItem[]> {
  const edits: PendingItem[] = []
  for await (const items of listPages(after => catalog.listPending(after))) {
    edits.push(...items.filter(({ kind, error }) => kind === 'edit' && !error))
  }
  return edits
}

function unite(
  list: string[],
  { add = [], remove = [] }: { add?: string[]; remove?: string[] },
): string[] {
  return [...new Set([...list.filter(one => !remove.includes(one)), ...add])]
}
