import { ArtifactError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import {
  ALGORITHMS,
  type Algorithm,
  algorithmOf,
  digestBytes,
  digestFromBytes,
} from '../model/digest.js'
import { MAX_CHUNK, MIN_CHUNK } from './find-cut.js'

/** Of a blob of some 300 GB. A longer one is not cut. */
export const MAX_RECIPE_BYTES = 64 * 1024 * 1024
const LENGTH_BYTES = 4

/** The ordered chunks that make one large blob, as rows: a digest, and a length in four bytes. */
export class Recipe {
  /** Of the blob; the same digest and size name the recipe, under its own kind. */
  readonly key: BlobKey
  readonly bytes: Buffer
  readonly #algorithm: Algorithm
  readonly #rowBytes: number

  constructor(key: BlobKey, bytes: Buffer) {
    this.key = { ...key, kind: 'recipe' }
    this.bytes = bytes
    this.#algorithm = algorithmOf(key.digest)
    this.#rowBytes = rowBytes(this.#algorithm)
  }

  get count(): number {
    return this.bytes.length / this.#rowBytes
  }

  /** The key of one chunk, which is a blob. */
  chunk(index: number): BlobKey {
    const start = index * this.#rowBytes
    const end = start + this.#rowBytes - LENGTH_BYTES
    const digest = digestFromBytes(this.#algorithm, this.bytes.subarray(start, end))
    return { kind: 'blob', digest, size: this.bytes.readUInt32LE(end) }
  }

  /** The chunks in their order, so many at a time, each with where it starts in the blob. */
  *batches(most: number): Generator<{ key: BlobKey; offset: number }[], void, undefined> {
    let offset = 0
    for (let start = 0; start < this.count; start += most) {
      const length = Math.min(most, this.count - start)
      yield Array.from({ length }, (_, index) => {
        const key = this.chunk(start + index)
        offset += key.size
        return { key, offset: offset - key.size }
      })
    }
  }
}

/** @param chunks digests and sizes, of one algorithm, in order. */
export function encodeChunks(chunks: Pick<BlobKey, 'digest' | 'size'>[]): Buffer {
  return Buffer.concat(
    chunks.map(({ digest, size }) => {
      const row = Buffer.alloc(LENGTH_BYTES)
      row.writeUInt32LE(size)
      return Buffer.concat([digestBytes(digest), row])
    }),
  )
}

/** The most bytes that the recipe of a blob has; 0 for a blob that is too long for one. */
export function maxRecipeBytes({ digest, size }: Pick<BlobKey, 'digest' | 'size'>): number {
  const bytes = Math.ceil(size / MIN_CHUNK) * rowBytes(algorithmOf(digest))
  return bytes <= MAX_RECIPE_BYTES ? bytes : 0
}

/**
 * @throws `RECIPE_INVALID` for rows that cannot be those of a blob of that size: cut, too short or
 *   too long chunks, lengths that add up to something else. Whether they make it, hashing tells.
 */
export function decodeRecipe(key: BlobKey, bytes: Buffer): Recipe {
  const recipe = new Recipe(key, bytes)
  const { count } = recipe
  if (!Number.isInteger(count)) throw invalidRecipe(key, 'its last row is cut')
  let length = 0
  for (let index = 0; index < count; index += 1) {
    const { size } = recipe.chunk(index)
    const least = index === count - 1 ? 1 : MIN_CHUNK
    if (size < least || size > MAX_CHUNK) throw invalidRecipe(key, `a chunk of ${size} bytes`)
    length += size
  }
  if (length !== key.size) throw invalidRecipe(key, `its chunks have ${length} bytes`)
  return recipe
}

export function invalidRecipe({ digest, size }: BlobKey, reason: string): ArtifactError {
  const message = `the recipe does not make ${digest} of ${size} bytes: ${reason}`
  return new ArtifactError('RECIPE_INVALID', message, { details: { digest, size } })
}

function rowBytes(algorithm: Algorithm): number {
  return ALGORITHMS[algorithm].bytes + LENGTH_BYTES
}
