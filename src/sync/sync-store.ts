import { setTimeout as sleep } from 'node:timers/promises'
import { isArtifactError } from '../errors.js'
import { ConnectionLost } from '../ipc/rpc.js'
import { checkAborted } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { connectDaemon } from './daemon-client.js'
import { type OpenRemote, type PushOptions, pushPending } from './push.js'
import { createReport, type SyncReport } from './sync-report.js'
import { type StoreLock, takeStoreLock } from './take-store-lock.js'

/** Pause between two attempts to take the lock, in milliseconds. */
const PAUSE_MS = 100

export interface SyncOptions extends PushOptions {
  /** Let an artifactd that is at it do the work. Default true. */
  askDaemon?: boolean
}

/**
 * Pushes what is pending, as the only one that syncs this store. While another process does, its
 * artifactd is asked to go on with what is pending now (its events are not heard here); without
 * one, this waits for its turn.
 *
 * @throws as `pushPending`.
 */
export async function syncStore(
  store: Store,
  openRemote: OpenRemote,
  options: SyncOptions = {},
): Promise<SyncReport> {
  const { signal, askDaemon = true, retryFailed = false } = options
  const { items } = await store.catalog.listPending()
  if (items.length === 0) return createReport()
  for (;;) {
    checkAborted(signal)
    const lock = await takeStoreLock(store.home, 'sync')
    if (lock) return pushLocked(lock, () => pushPending(store, openRemote, options))
    const report = askDaemon ? await askToSync(store.home, { retryFailed, signal }) : null
    if (report) return report
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => checkAborted(signal))
  }
}

async function pushLocked(lock: StoreLock, push: () => Promise<SyncReport>): Promise<SyncReport> {
  try {
    return await push()
  } finally {
    await lock.release()
  }
}

/** Null when there is no daemon, or it ended meanwhile. */
async function askToSync(
  home: string,
  { retryFailed, signal }: { retryFailed: boolean; signal?: AbortSignal },
): Promise<SyncReport | null> {
  const daemon = await connectDaemon(home)
  if (!daemon) return null
  const hangUp = () => daemon.close()
  signal?.addEventListener('abort', hangUp, { once: true })
  try {
    return await daemon.sync({ retryFailed })
  } catch (error) {
    checkAborted(signal)
    if (error instanceof ConnectionLost || isArtifactError(error, 'INTERRUPTED')) return null
    throw error
  } finally {
    signal?.removeEventListener('abort', hangUp)
    daemon.close()
  }
}
