import { isReadOnly } from '../disk/check-writable.js'
import { isArtifactError } from '../errors.js'
import type { Store } from './store.js'

/** Remembers that a version was used now: what was used longest ago is evicted first. */
export async function noteUse({ catalog, home }: Store, id: string): Promise<void> {
  if (isReadOnly(home)) return
  try {
    await catalog.noteUse([id])
  } catch (error) {
    // What can be read is read on a full disk too.
    if (!isArtifactError(error, 'STORE_FULL')) throw error
  }
}
