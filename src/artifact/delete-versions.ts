import { type DeleteRequest, MAX_DELETIONS } from '../catalog/changing.js'
import type { CollectionName } from '../model/version.js'
import { newId } from './log-artifact.js'
import { ensureDaemon, type Workspace } from './workspace.js'

/**
 * Deletes versions of one collection, some of which may be only on the remote. Each thousand is one
 * commit.
 * @throws as `Catalog.delete`: versions in the thousands before are then deleted.
 */
export async function deleteVersions(
  workspace: Workspace,
  { entity, project, name, type }: CollectionName & { type: string },
  {
    versions,
    deleteAliases = false,
  }: Pick<DeleteRequest, 'versions'> & { deleteAliases?: boolean },
): Promise<void> {
  const { catalog } = workspace.store
  const target = { remote: workspace.settings.remote }
  const named = versions.map(({ id, number }) => ({ id, number }))
  for (let start = 0; start < named.length; start += MAX_DELETIONS) {
    await catalog.delete({
      ...{ logId: newId(), entity, project, name, type, target, deleteAliases },
      versions: named.slice(start, start + MAX_DELETIONS),
    })
  }
  await ensureDaemon(workspace)
}
