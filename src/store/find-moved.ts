import { isDeepStrictEqual } from 'node:util'
import type { BlobKey } from '../model/blob-key.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import type { Store } from './store.js'

/**
 * Where bytes lie now that could not be read where they lay: a pack of which much is dead is written
 * anew and removed. Undefined when they are nowhere else.
 */
export async function findMoved(
  store: Store,
  key: BlobKey,
  from: BlobPlace,
): Promise<BlobPlace | undefined> {
  const [place] = await locateBlobs(store, [key])
  return place && !isDeepStrictEqual(place, from) ? place : undefined
}
