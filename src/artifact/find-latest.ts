import { isArtifactError } from '../errors.js'
import type { CollectionName, Version } from '../model/version.js'
import type { RemoteVersion } from '../remote/remote.js'
import type { WorkOptions } from '../store/progress.js'
import { resolveVersion } from '../sync/resolve.js'
import { askRemote, remoteOpener, type Workspace } from './workspace.js'

/**
 * The latest version of a collection, as far as is known; its manifest is then here.
 * @returns undefined when there is none.
 * @throws `REMOTE_UNREACHABLE` when it is not here and a remote may have it; as `resolveVersion`.
 */
export async function findLatest(
  workspace: Workspace,
  { entity, project, name }: CollectionName,
): Promise<Version | undefined> {
  const latest = { kind: 'alias' as const, alias: 'latest' }
  try {
    const found = await resolveVersion(workspace.store, await askRemote(workspace), {
      ...{ entity, project, name, selector: latest },
    })
    if (!found.local && found.remote) await pullManifest(workspace, found.remote)
    return found.version
  } catch (error) {
    const isNone =
      isArtifactError(error, 'ARTIFACT_NOT_FOUND') || isArtifactError(error, 'VERSION_NOT_FOUND')
    if (isNone) return undefined
    throw error
  }
}

/** Brings the manifest of a version of the remote into the store; of its files nothing. */
export async function pullManifest(
  workspace: Workspace,
  found: RemoteVersion,
  options: WorkOptions = {},
): Promise<void> {
  const openRemote = await remoteOpener(workspace)
  const { pullVersion } = await import('../sync/pull.js')
  const remote = openRemote(workspace.settings.remote!)
  await pullVersion(workspace.store, remote, found, { ...options, manifestOnly: true })
}
