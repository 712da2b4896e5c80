import type { HasherSet } from '../hash/hasher.js'
import type { Digest } from '../model/digest.js'
import { isTrusted, listExposed } from './object-trust.js'
import { type PlacedItem, verifyBlobs } from './tree-files.js'

/**
 * Hashes the exposed objects whose stat is not the recorded one.
 * @returns those whose bytes are not their own any more, or cannot be read.
 */
export async function findDamagedObjects(
  home: string,
  { hashers }: { hashers: HasherSet },
): Promise<Digest[]> {
  const suspects = listExposed(home).filter(key => !isTrusted(home, key))
  const items = suspects.map(
    ({ digest, size }): PlacedItem => ({
      path: digest,
      digest,
      size,
      place: { in: 'object', size },
    }),
  )
  const errors = await verifyBlobs(home, items, { hashers })
  return suspects.filter((_, index) => errors[index]).map(({ digest }) => digest)
}
