import type { BlobKey } from '../model/blob-key.js'
import { locateBlobs } from './locate-blobs.js'
import { quarantineKeys } from './quarantine.js'
import { listChunks } from './read-chunks.js'
import type { Store } from './store.js'

/**
 * The indices of the keys that a store lacks, ascending. A blob in chunks is here only if all of them
 * are; else its recipe is no good any more, and is taken out.
 */
export async function listAbsent(store: Store, keys: BlobKey[]): Promise<number[]> {
  const places = await locateBlobs(store, keys, { external: false })
  const absent: number[] = []
  for (const [index, key] of keys.entries()) {
    const place = places[index]
    const isBroken = place?.in === 'recipe' && !(await listChunks(store, key, place))
    if (isBroken) await quarantineKeys(store, [key])
    if (!place || isBroken) absent.push(index)
  }
  return absent
}
