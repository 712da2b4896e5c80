import { type ArtifactError, isArtifactError } from '../errors.js'
import { checkEntity, checkId, checkName, checkProject, checkType } from '../model/names.js'
import { NO_NUMBER } from '../model/version.js'
import type { LineageVersion } from './trace-lineage.js'
import { useArtifact } from './use-artifact.js'
import type { Workspace } from './workspace.js'

/** Finds a version whose lineage is asked for: one that was deleted too. @throws as `useArtifact`. */
export async function findTraced(
  workspace: Workspace,
  text: string,
  options: { project: string; signal?: AbortSignal },
): Promise<LineageVersion> {
  try {
    const { row } = await useArtifact(workspace, text, options)
    const { id, entity, project, name, type, number, state } = row
    return { id, entity, project, name, type, number: number === NO_NUMBER ? null : number, state }
  } catch (error) {
    if (!isArtifactError(error, 'VERSION_DELETED')) throw error
    return readDeleted(error)
  }
}

/** The details may come from a remote. */
function readDeleted({ details }: ArtifactError): LineageVersion {
  const { id, entity, project, name, type, number } = details
  return {
    id: checkId(id),
    entity: checkEntity(entity),
    project: checkProject(project),
    name: checkName(name),
    type: checkType(type),
    number: typeof number === 'number' && number >= 0 ? number : null,
    state: 'deleted',
  }
}
