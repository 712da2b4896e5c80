import type { PlacedKey } from '../catalog/catalog.js'
import { hashBytes, withHasher } from '../hash/hasher.js'
import { algorithmOf } from '../model/digest.js'
import { isLoss, readBlob } from './read-blob.js'

/** The bytes of a blob, verified; undefined when they are damaged or not there. */
export async function readSound(
  home: string,
  { key, location }: PlacedKey,
): Promise<Uint8Array | undefined> {
  try {
    const bytes = readBlob(home, key, location)
    const digest = await withHasher(algorithmOf(key.digest), hasher => hashBytes(hasher, bytes))
    return digest === key.digest ? bytes : undefined
  } catch (error) {
    if (isLoss(error)) return undefined
    throw error
  }
}
