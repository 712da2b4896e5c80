import { setTimeout as sleep } from 'node:timers/promises'
import type { RenameRequest } from '../catalog/catalog.js'
import { checkAborted } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { takeStoreLock } from './take-store-lock.js'

/** Pause between two attempts to take the lock, in milliseconds. */
const PAUSE_MS = 100

/**
 * `Catalog.rename` while nobody pushes, so that no answer to what is renamed is on its way.
 *
 * @returns how many versions were renamed.
 * @throws as `Catalog.rename`; `INTERRUPTED`.
 */
export async function renamePending(
  store: Store,
  request: RenameRequest,
  { signal }: { signal?: AbortSignal } = {},
): Promise<number> {
  for (;;) {
    checkAborted(signal)
    const lock = await takeStoreLock(store.home, 'sync')
    if (!lock) {
      await sleep(PAUSE_MS, undefined, { signal }).catch(() => checkAborted(signal))
      continue
    }
    try {
      return await store.catalog.rename(request)
    } finally {
      await lock.release()
    }
  }
}
