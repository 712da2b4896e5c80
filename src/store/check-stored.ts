import { decodeRecipe } from '../chunk/recipe.js'
import { isArtifactError } from '../errors.js'
import { hashBytes, withHasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf } from '../model/digest.js'
import type { Encoding } from '../pack/format.js'
import { decodeFrame } from '../pack/zstd.js'

/**
 * Whether the stored bytes of a record are what it says. Of a recipe the rows are looked at: what
 * they make was hashed before it was kept.
 */
export async function isStoredRight(
  key: BlobKey,
  stored: Buffer,
  encoding: Encoding,
): Promise<boolean> {
  try {
    if (key.kind === 'recipe') return decodeRecipe(key, stored).count > 0
    const plain = encoding === 0 ? stored : await decodeFrame(stored, key)
    const digest = await withHasher(algorithmOf(key.digest), hasher => hashBytes(hasher, plain))
    return digest === key.digest
  } catch (error) {
    if (isArtifactError(error, 'RECIPE_INVALID') || isArtifactError(error, 'BLOB_DAMAGED')) {
      return false
    }
    throw error
  }
}
