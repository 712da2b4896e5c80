import { isArtifactError } from '../errors.js'
import type { RunInfo } from '../model/version.js'
import type { LoggedArtifact } from './logged-artifact.js'
import { openEdgeFinder } from './open-edge-finder.js'
import { useArtifact } from './use-artifact.js'
import type { Workspace } from './workspace.js'

/** See `Run.loggedArtifacts`. */
export async function listOutputs(
  workspace: Workspace,
  run: RunInfo,
  { signal }: { signal?: AbortSignal } = {},
): Promise<LoggedArtifact[]> {
  const { entity } = workspace.settings
  const finder = await openEdgeFinder(workspace, { entity, signal })
  const edges = await finder.find([{ role: 'output', run: { id: run.id, project: run.project } }])
  const found: LoggedArtifact[] = []
  for (const { version } of edges) {
    const { project, name, id, state } = version
    if (state === 'deleted') continue
    const text = `${version.entity}/${project}/${name}@${id}`
    try {
      found.push(await useArtifact(workspace, text, { project, signal }))
    } catch (error) {
      if (!isArtifactError(error, 'VERSION_DELETED')) throw error
    }
  }
  return found
}
