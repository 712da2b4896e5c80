import type { Remote } from '../remote/remote.js'
import { listStoredFiles } from '../store/list-stored-files.js'
import type { Store } from '../store/store.js'
import { type CleanResult, cleanStore } from './clean-store.js'

/** A store above its limit is brought down to this share of it, so that it is not cleaned again at once. */
const LOW_SHARE = 0.9

/**
 * Cleans a store whose packs and objects take more than its limit.
 * @returns null when it takes no more.
 */
export async function keepCacheLimit(
  store: Store,
  {
    limit,
    remote,
    signal,
  }: { limit: number; remote: Remote | null; signal?: AbortSignal | undefined },
): Promise<CleanResult | null> {
  const bytes = listStoredFiles(store.home).reduce((sum, { size }) => sum + size, 0)
  if (bytes <= limit) return null
  return cleanStore(store, { limit: Math.floor(limit * LOW_SHARE), remote, signal })
}
