import type { CollectionName, RunInfo } from '../model/version.js'
import { openEdgeFinder } from './open-edge-finder.js'
import type { Workspace } from './workspace.js'

/** See `LoggedArtifact.usedBy`. */
export async function listUsers(
  workspace: Workspace,
  { id, entity }: CollectionName & { id: string },
  { signal }: { signal?: AbortSignal } = {},
): Promise<RunInfo[]> {
  const finder = await openEdgeFinder(workspace, { entity, signal })
  const edges = await finder.find([{ role: 'input', versionId: await finder.findId(id) }])
  return edges.map(({ run }) => run)
}
