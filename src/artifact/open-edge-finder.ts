import { EdgeFinder } from '../sync/edge-finder.js'
import { askRemote, type Workspace } from './workspace.js'

export async function openEdgeFinder(
  workspace: Workspace,
  options: { entity: string; signal?: AbortSignal },
): Promise<EdgeFinder> {
  return new EdgeFinder(workspace.store, await askRemote(workspace), options)
}
