import { setTimeout as sleep } from 'node:timers/promises'
import { ArtifactError } from '../errors.js'
import { syncWorkspace, type Workspace } from './workspace.js'

/** Pause between two looks at what waits for the remote; doubles up to 2 s. */
const FIRST_PAUSE_MS = 50
const LAST_PAUSE_MS = 2000

/**
 * Pushes what is pending until something is on the remote, however long that is away.
 * @throws what `isSynced` throws; the remote's refusal of this client; the reason of the signal.
 */
export async function waitUntilSynced(
  workspace: Workspace,
  isSynced: () => Promise<boolean>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let pause = FIRST_PAUSE_MS
  while (!(await isSynced())) {
    const errors = await push(workspace, signal)
    if (await isSynced()) return
    for (const error of errors) if (!error.retryable) throw error
    await sleep(pause, undefined, { signal })
    pause = Math.min(pause * 2, LAST_PAUSE_MS)
  }
}

/** @returns why the remote could not be synced now, if it could not. */
async function push(
  workspace: Workspace,
  signal: AbortSignal | undefined,
): Promise<ArtifactError[]> {
  try {
    const { errors } = await syncWorkspace(workspace, { signal })
    return errors.map(error => ArtifactError.from(error))
  } catch (error) {
    if (error instanceof ArtifactError) return [error]
    throw error
  }
}
