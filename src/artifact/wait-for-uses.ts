import { listPages } from '../catalog/list-pages.js'
import { ArtifactError, type ErrorData } from '../errors.js'
import type { RunInfo } from '../model/version.js'
import { checkAborted } from '../store/progress.js'
import { waitUntilSynced } from './wait-until-synced.js'
import type { Workspace } from './workspace.js'

/**
 * Waits until the remote knows what a run used, as far as it has it.
 * @throws why it refused a use; as `waitUntilSynced`; `INTERRUPTED`.
 */
export async function waitForUses(
  workspace: Workspace,
  run: RunInfo,
  { signal }: { signal?: AbortSignal | undefined },
): Promise<void> {
  try {
    await waitUntilSynced(workspace, () => isSynced(workspace, run), signal)
  } catch (error) {
    checkAborted(signal)
    throw error
  }
}

async function isSynced({ store }: Workspace, { id, project }: RunInfo): Promise<boolean> {
  let failure: ErrorData | undefined
  for await (const items of listPages(after => store.catalog.listPending(after))) {
    for (const { kind, run, error } of items) {
      if (kind !== 'use' || run?.id !== id || run.project !== project) continue
      if (!error) return false
      failure = error
    }
  }
  if (failure) throw ArtifactError.from(failure)
  return true
}
