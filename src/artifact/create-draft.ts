import { deletedError } from '../catalog/plan-delete.js'
import { ArtifactError } from '../errors.js'
import type { RemoteVersion } from '../remote/remote.js'
import type { WorkOptions } from '../store/progress.js'
import { Artifact } from './artifact.js'
import { DraftBase } from './draft-base.js'
import { expectAlgorithm } from './expect-algorithm.js'
import { pullManifest } from './find-latest.js'
import type { Workspace } from './workspace.js'

/**
 * See `LoggedArtifact.newDraft`.
 * @param remote the version on the remote, when the store does not have it whole.
 */
export async function createDraft(
  workspace: Workspace,
  id: string,
  { remote, ...options }: WorkOptions & { remote: RemoteVersion | undefined },
): Promise<Artifact> {
  const { store } = workspace
  if (remote) await pullManifest(workspace, remote, options)
  const version = await store.catalog.getVersion(id)
  const [deleted] = await store.catalog.findDeleted([id])
  if (deleted) throw deletedError(deleted)
  if (!version) throw new ArtifactError('VERSION_NOT_FOUND', `version @${id} is not in the store`)
  if (version.state === 'open') {
    const message = `@${id} is a part of an open version, not a version of "${version.name}"`
    throw new ArtifactError('ARTIFACT_NOT_LOGGED', message, { details: { id } })
  }
  expectAlgorithm(store, version)
  const { name, type, description, metadata } = version
  const content = { name, type, metadata, ...(description !== null && { description }) }
  const draft = new Artifact({ ...content, home: store.home })
  draft.base = new DraftBase(store, version)
  return draft
}
