import type { ExternalFile, Location } from '../catalog/catalog.js'
import { MAX_BATCH } from '../catalog/catalog.js'
import type { BlobKey } from '../model/blob-key.js'
import { LARGE_BYTES } from './file-ingester.js'
import type { Store } from './store.js'

/**
 * Where bytes can be read: in the store, where a large blob may be in chunks, which the recipe in
 * this place lists, or in a file that was added as immutable.
 */
export type BlobPlace =
  | Location
  | (Omit<Location & { in: 'pack' }, 'in'> & { in: 'recipe' })
  | ({ in: 'external' } & ExternalFile)

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
  await addRecipes(store, keys, places)
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

/** Looks for the recipes of large blobs that are nowhere whole. */
async function addRecipes(
  store: Store,
  keys: BlobKey[],
  places: (BlobPlace | null)[],
): Promise<void> {
  const absent = [...keys.entries()].filter(
    ([index, { kind, size }]) => !places[index] && kind === 'blob' && size >= LARGE_BYTES,
  )
  for (let start = 0; start < absent.length; start += MAX_BATCH) {
    const some = absent.slice(start, start + MAX_BATCH)
    const found = await store.catalog.locate(
      some.map(([, { digest }]) => ({ kind: 'recipe', digest })),
    )
    for (const [position, [index, { size }]] of some.entries()) {
      const location = found[position]
      if (location?.in === 'pack' && location.size === size) {
        places[index] = { ...location, in: 'recipe' }
      }
    }
  }
}
