import type { Workspace } from '../src/artifact/workspace.js'
import type { KeptConflict } from '../src/catalog/changing.js'
import type { CollectionName } from '../src/model/version.js'
import type { Conflict } from '../src/model/version-change.js'
import { collectPages } from './collect-pages.js'

/** The conflicts that are kept of one version. */
export async function listConflicts(
  { store }: Workspace,
  { id, entity, project, name }: CollectionName & { id: string },
): Promise<KeptConflict[]> {
  const collection = { entity, project, name }
  const all = await collectPages(after => store.catalog.listConflicts(collection, after))
  return all.filter(({ versionId }) => versionId === id)
}

/** What was found, and what became of it. */
export function describeConflict({ field, alias, found, error }: Conflict): string {
  if (error) return error.message
  if (field !== 'alias') return `${field}: replaced ${JSON.stringify(found)}, set by another since`
  if (found === null) return `alias ${alias}: another had taken it away since`
  return `alias ${alias}: another had moved it to ${found} since`
}
