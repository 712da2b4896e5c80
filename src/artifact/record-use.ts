import { isArtifactError } from '../errors.js'
import type { RunInfo } from '../model/version.js'
import { newId } from './log-artifact.js'
import type { LoggedArtifact } from './logged-artifact.js'
import type { Workspace } from './workspace.js'

/**
 * Records that a run uses a version, to be sent after the version. In a store that is read-only
 * nothing is recorded.
 */
export async function recordUse(
  { store, settings }: Workspace,
  run: RunInfo,
  { id, entity, project, name, type }: LoggedArtifact,
): Promise<void> {
  const version = { id, entity, project, name, type }
  const target = { remote: settings.remote }
  try {
    await store.catalog.use({ logId: newId(), run, version, target })
  } catch (error) {
    if (!isArtifactError(error, 'STORE_READ_ONLY')) throw error
  }
}
