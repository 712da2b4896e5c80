import type { ExternalFile, Location } from '../catalog/catalog.js'
import { MAX_BATCH } from '../catalog/catalog.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Store } from './store.js'

/** Where bytes can be read: in the store, or in a file that was added as immutable. */
export type BlobPlace = Location | ({ in: 'external' } & ExternalFile)

/**
 * Where each key's bytes lie; null for those that are not here. A place whose size is not the
 * key's does not count.
 */
export async function locateBlobs(
  store: Store,
  keys: BlobKey[],
  { external = true }: { external?: boolean } = {},
): Promise<(BlobPlace | null)[]> {
  const places: (BlobPlace | null)[] = []
  for (let start = 0; start < keys.length; start += MAX_BATCH) {
    const some = keys.slice(start, start + MAX_BATCH)
    const found = await store.catalog.locate(some)
    found.forEach((location, index) => {
      places.push(location?.size === some[index]?.size ? location : null)
    })
  }
  const absent = external ? keys.flatMap((_, index) => (places[index] ? [] : [index])) : []
  for (let start = 0; start < absent.length; start += MAX_BATCH) {
    const some = absent.slice(start, start + MAX_BATCH)
    const found = await store.catalog.locateExternal(some.map(index => keys[index]!.digest))
    found.forEach((files, offset) => {
      const index = some[offset]!
      const file = files.findLast(({ size }) => size === keys[index]!.size)
      if (file && keys[index]!.kind === 'blob') places[index] = { in: 'external', ...file }
    })
  }
  return places
}
