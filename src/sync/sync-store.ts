import { setTimeout as sleep } from 'node:timers/promises'
import { isArtifactError, storeError } from '../errors.js'
import { ConnectionLost } from '../ipc/rpc.js'
import { checkAborted } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { connectDaemon, type DaemonClient } from './daemon-client.js'
import { noticeLoss } from './notice-loss.js'
import { type OpenRemote, type PushOptions, pushPending } from './push.js'
import { createReport, type SyncEvent, type SyncReport } from './sync-report.js'
import { type StoreLock, takeStoreLock } from './take-store-lock.js'

/** Pause between two attempts to take the lock, in milliseconds. */
const PAUSE_MS = 100
/** Between two questions of how far artifactd is, in milliseconds. */
const WATCH_MS = 500

export interface SyncOptions extends PushOptions {
  /** Let an artifactd that is at it do the work. Default true. */
  askDaemon?: boolean
  /**
   * With nothing pending, ask the default remote whether it still has what it took. Default true. It
   * is one request, and counted as one only if it finds something.
   */
  askRemote?: boolean
  /** Bytes a second that an artifactd which does the work keeps to. Default: as it is set. */
  limit?: number
}

/**
 * Pushes what is pending, as the only one that syncs this store. While another process does, its
 * artifactd is asked to go on with what is pending now (of its events only `bytes` are heard here, as
 * it tells them twice a second); without one, this waits for its turn.
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
  const found = createReport()
  if (items.length === 0) await findLoss(store, openRemote, { ...options, report: found })
  if (items.length === 0 && found.resent === 0) return found
  for (;;) {
    checkAborted(signal)
    const lock = await takeStoreLock(store.home, 'sync')
    const report = lock
      ? await pushLocked(lock, () => pushPending(store, openRemote, options))
      : askDaemon && (await askToSync(store.home, { ...options, retryFailed }))
    if (report) return { ...report, resent: report.resent + found.resent }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => checkAborted(signal))
  }
}

/** Makes pending again what the default remote lost. Why it cannot be asked is reported. */
async function findLoss(
  store: Store,
  openRemote: OpenRemote,
  options: SyncOptions & { report: SyncReport },
): Promise<void> {
  const { defaultRemote: url, askRemote = true, onProgress, signal, report } = options
  if (!askRemote || !url) return
  try {
    report.resent = await noticeLoss(store, openRemote, { url, signal })
    if (report.resent > 0) onProgress?.({ type: 'lost', url, items: report.resent })
  } catch (error) {
    checkAborted(signal)
    report.errors.push(storeError(error, `asking ${url}`).toJSON())
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
  { retryFailed, limit, signal, onProgress }: SyncOptions,
): Promise<SyncReport | null> {
  const daemon = await connectDaemon(home)
  if (!daemon) return null
  const hangUp = () => daemon.close()
  signal?.addEventListener('abort', hangUp, { once: true })
  const watch = onProgress && setInterval(() => void tell(daemon, onProgress), WATCH_MS)
  try {
    return await daemon.sync({ retryFailed, limit })
  } catch (error) {
    checkAborted(signal)
    if (error instanceof ConnectionLost || isArtifactError(error, 'INTERRUPTED')) return null
    throw error
  } finally {
    clearInterval(watch)
    signal?.removeEventListener('abort', hangUp)
    daemon.close()
  }
}

async function tell(daemon: DaemonClient, onProgress: (event: SyncEvent) => void): Promise<void> {
  // What goes wrong is the answer of the pass too.
  const status = await daemon.status().catch(() => undefined)
  for (const { active, bytesPerSecond: _, etaSeconds: __, ...version } of status?.versions ?? []) {
    if (active) onProgress({ type: 'bytes', ...version })
  }
}
