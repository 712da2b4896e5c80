import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { MAX_BATCH, type PlacedKey } from '../catalog/catalog.js'
import { decodeRecipe, type Recipe } from '../chunk/recipe.js'
import { ArtifactError, isArtifactError } from '../errors.js'
import { createHasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf } from '../model/digest.js'
import { decodeFrame } from '../pack/zstd.js'
import { findMoved } from './find-moved.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import { PackFiles, type PackPlace } from './pack-files.js'
import { isLoss, readBlob, type WholePlace } from './read-blob.js'
import type { Store } from './store.js'
import { verifyParts } from './verify-parts.js'

/** Chunks that are located in one call: about 48 MiB. */
const CHUNKS_A_BATCH = 512
/** Bytes that are read in one turn of the event loop. */
const TURN_BYTES = 4 * 1024 * 1024

export type RecipePlace = BlobPlace & { in: 'recipe' }

/**
 * The recipe of a blob that a store keeps in chunks.
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED`.
 */
export function readRecipe(store: Store, key: BlobKey, place: PackPlace): Recipe {
  const files = new PackFiles(store.home)
  try {
    return decodeRecipe(key, files.read({ ...key, kind: 'recipe' }, place))
  } catch (cause) {
    if (!isArtifactError(cause, 'RECIPE_INVALID')) throw cause
    throw new ArtifactError('BLOB_DAMAGED', cause.message, { cause, details: { ...key } })
  } finally {
    files.close()
  }
}

/** Where the chunks of a blob lie; null if the recipe cannot be read or one of them is not here. */
export async function listChunks(
  store: Store,
  key: BlobKey,
  place: PackPlace,
): Promise<PlacedKey[] | null> {
  let recipe: Recipe
  try {
    recipe = readRecipe(store, key, place)
  } catch (error) {
    if (isLoss(error)) return null
    throw error
  }
  const chunks: PlacedKey[] = []
  for (const batch of recipe.batches(MAX_BATCH)) {
    const keys = batch.map(chunk => chunk.key)
    const places = await locateBlobs(store, keys, { external: false })
    for (const [index, chunk] of keys.entries()) {
      const location = places[index]
      if (location?.in !== 'pack' && location?.in !== 'object') return null
      chunks.push({ key: chunk, location })
    }
  }
  return chunks
}

/**
 * The bytes of a blob that the store keeps in chunks, which are right if it ends without an error.
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED`.
 */
export async function* readWhole(
  store: Store,
  key: BlobKey,
  place: PackPlace,
): AsyncGenerator<Uint8Array, void, undefined> {
  const onDamage = () => {
    const message = `the chunks of ${key.digest} do not make its ${key.size} bytes`
    return new ArtifactError('BLOB_DAMAGED', message, { details: { ...key } })
  }
  const hasher = await createHasher(algorithmOf(key.digest))
  yield* verifyParts(readChunks(store, readRecipe(store, key, place)), key, { hasher, onDamage })
}

/**
 * The plain bytes of a blob, chunk after chunk. They are not hashed here: whoever trusts them does.
 * @throws `BLOB_MISSING`, naming the blob, when a chunk is not here; `BLOB_DAMAGED`.
 */
export async function* readChunks(
  store: Store,
  recipe: Recipe,
): AsyncGenerator<Uint8Array, void, undefined> {
  const files = new PackFiles(store.home)
  let turn = 0
  try {
    for (const batch of recipe.batches(CHUNKS_A_BATCH)) {
      const keys = batch.map(({ key }) => key)
      const places = await locateBlobs(store, keys, { external: false })
      for (const [index, key] of keys.entries()) {
        const place = places[index]
        if (!place || place.in === 'recipe') throw missingChunk(recipe, key)
        yield await readChunk(store, files, { key, place })
        turn += key.size
        if (turn < TURN_BYTES) continue
        turn = 0
        await yieldToLoop()
      }
    }
  } finally {
    files.close()
  }
}

async function readChunk(
  store: Store,
  files: PackFiles,
  { key, place }: { key: BlobKey; place: WholePlace },
): Promise<Uint8Array> {
  try {
    if (place.in !== 'pack') return await readBlob(store.home, key, place)
    const stored = files.read(key, place)
    return place.encoding === 0 ? stored : await decodeFrame(stored, key)
  } catch (error) {
    if (!isLoss(error)) throw error
    const moved = await findMoved(store, key, place)
    if (!moved || moved.in === 'recipe') throw error
    return readBlob(store.home, key, moved)
  }
}

function missingChunk({ key: { digest, size } }: Recipe, chunk: BlobKey): ArtifactError {
  const message = `${chunk.digest}, a part of ${digest}, is not here`
  return new ArtifactError('BLOB_MISSING', message, { details: { kind: 'blob', digest, size } })
}
