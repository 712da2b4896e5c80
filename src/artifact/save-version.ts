import { isDeepStrictEqual } from 'node:util'
import type { EditRequest } from '../catalog/changing.js'
import { ArtifactError, isArtifactError } from '../errors.js'
import { checkEditedAliases } from '../model/names.js'
import type { CollectionName, Version } from '../model/version.js'
import type { VersionChange } from '../model/version-change.js'
import { resolveVersion } from '../sync/resolve.js'
import type { VersionEdits } from './check-edits.js'
import { newId } from './log-artifact.js'
import { askRemote, ensureDaemon, type Workspace } from './workspace.js'

/**
 * Records what edits change of a version, as one commit; nothing if they change nothing.
 * @returns the version as it is then.
 */
export async function saveVersion(
  workspace: Workspace,
  version: Version,
  edits: VersionEdits,
): Promise<Version> {
  const { catalog } = workspace.store
  const change = await compare(workspace, version, edits)
  if (Object.keys(change).length === 0) return version
  const { entity, project, name, type, id } = version
  const request: EditRequest = {
    ...{ logId: newId(), versionId: id, entity, project, name, type, change },
    target: { remote: workspace.settings.remote },
  }
  await catalog.edit(request)
  await ensureDaemon(workspace)
  return (await catalog.getVersion(id)) ?? { ...version, ...edits }
}

async function compare(
  workspace: Workspace,
  version: Version,
  edits: VersionEdits,
): Promise<VersionChange> {
  const { description, metadata } = edits
  const tags = edits.tags && differ(version.tags, edits.tags)
  const aliases = edits.aliases && differ(version.aliases, edits.aliases)
  const added = checkEditedAliases(aliases?.add ?? [])
  // It goes with the last version, whatever is set.
  const removed = (aliases?.remove ?? []).filter(alias => alias !== 'latest')
  const moves: { alias: string; seen: string | null }[] = []
  for (const alias of added) {
    moves.push({ alias, seen: await findHolder(workspace, version, alias) })
  }
  return {
    ...(description !== undefined &&
      description !== version.description && {
        description: { seen: version.description, to: description },
      }),
    ...(metadata &&
      !isDeepStrictEqual(metadata, version.metadata) && {
        metadata: { seen: version.metadata, to: metadata },
      }),
    ...(tags && tags.add.length + tags.remove.length > 0 && { tags }),
    ...(moves.length + removed.length > 0 && { aliases: { add: moves, remove: removed } }),
  }
}

function differ(before: string[], after: string[]): { add: string[]; remove: string[] } {
  return {
    add: after.filter(one => !before.includes(one)),
    remove: before.filter(one => !after.includes(one)),
  }
}

/** The id of the version that an alias names, as this machine saw it last, or else the remote does. */
async function findHolder(
  workspace: Workspace,
  { entity, project, name }: CollectionName,
  alias: string,
): Promise<string | null> {
  const { store } = workspace
  const selector = { kind: 'alias' as const, alias }
  try {
    const here = await store.catalog.findVersion({ entity, project, name }, selector)
    return here.version.id
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  try {
    const remote = await askRemote(workspace)
    const found = await resolveVersion(store, remote, { entity, project, name, selector })
    return found.version.id
  } catch (error) {
    if (isNotFound(error)) return null
    if (error instanceof ArtifactError && error.retryable) return null
    throw error
  }
}

function isNotFound(error: unknown): boolean {
  return isArtifactError(error, 'ARTIFACT_NOT_FOUND') || isArtifactError(error, 'VERSION_NOT_FOUND')
}
