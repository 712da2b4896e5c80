import { isArtifactError } from '../errors.js'
import type { Store } from '../store/store.js'
import type { OpenRemote } from './push.js'

/**
 * Asks a remote that took something whether it still knows of it. If it was wiped, or put back to an
 * earlier state, all that it took is pending again.
 *
 * @returns how many items are pending again.
 * @throws as `Remote.capabilities`.
 */
export async function noticeLoss(
  store: Store,
  openRemote: OpenRemote,
  { url, signal }: { url: string; signal?: AbortSignal },
): Promise<number> {
  const since = await store.catalog.findMark(url)
  if (!since) return 0
  try {
    await openRemote(url).capabilities({ since, signal })
    return 0
  } catch (error) {
    if (!isArtifactError(error, 'HISTORY_LOST')) throw error
    return store.catalog.unsettle(since.storeId)
  }
}
