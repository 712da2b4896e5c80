import { createReadStream } from 'node:fs'
import { ArtifactError } from '../errors.js'
import { createHasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf } from '../model/digest.js'
import { locateBlobs } from './locate-blobs.js'
import { blobError, blobFile, readBlob } from './read-blob.js'
import { readWhole } from './read-chunks.js'
import { recoverOrThrow } from './recover-blobs.js'
import type { Store } from './store.js'
import { verifyParts } from './verify-parts.js'

/** Large enough that the reads cost little beside what is done with the bytes. */
const READ_BYTES = 256 * 1024

/**
 * The plain bytes of a blob, in parts, not held all at once; fetched if they are not here. Whoever takes them to the end knows
 * that they are what the digest says; what came before the end counts only then.
 * @param name for messages: the path of the entry, say.
 * @throws `BLOB_MISSING`, `BLOB_DAMAGED`.
 */
export async function* readParts(
  store: Store,
  key: BlobKey,
  name: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const details = { path: name, digest: key.digest }
  const place = await locate()
  const onDamage = () =>
    new ArtifactError('BLOB_DAMAGED', `the bytes of "${name}" are not what they were`, { details })
  if (place.in === 'recipe') {
    yield* readWhole(store, key, place)
    return
  }
  const whole = place
  const file = blobFile(store.home, key, whole)
  const hasher = await createHasher(algorithmOf(key.digest))
  yield* verifyParts(file === undefined ? one() : stream(file), key, { hasher, onDamage })

  async function locate() {
    const [found] = await locateBlobs(store, [key])
    if (found) return found
    const message = `the bytes of "${name}" are not in the store`
    const error = new ArtifactError('BLOB_MISSING', message, { details })
    await recoverOrThrow(store, [{ key, error }])
    const [recovered] = await locateBlobs(store, [key])
    if (recovered) return recovered
    throw error
  }
  async function* one() {
    yield await readBlob(store.home, key, whole)
  }
  async function* stream(path: string) {
    try {
      yield* createReadStream(path, { highWaterMark: READ_BYTES })
    } catch (error) {
      throw blobError(error, key)
    }
  }
}
