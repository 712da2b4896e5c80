import { MAX_CHUNK, MIN_CHUNK } from '../chunk/find-cut.js'
import { encodeChunks, MAX_RECIPE_BYTES, type Recipe } from '../chunk/recipe.js'
import { createHasher, type Hasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Algorithm, algorithmOf, type Digest } from '../model/digest.js'

/**
 * Hashes the chunks of one blob together while they arrive, so that they need not be read again
 * when a recipe follows that lists just those, in that order.
 */
export class ChunkRun {
  #hasher: Hasher | undefined
  #rows: Buffer[] = []
  #bytes = 0
  #state: 'empty' | 'open' | 'last' | 'other' = 'empty'

  /** Takes the plain bytes of a small blob that came, which may be the next chunk. */
  async add(key: BlobKey, plain: Uint8Array): Promise<void> {
    const fits = key.kind === 'blob' && key.size > 0 && key.size <= MAX_CHUNK
    const open = this.#state === 'empty' || this.#state === 'open'
    // Only the last chunk is short, so that most runs of small files end with their first.
    if (!fits || !open || (this.#state === 'empty' && key.size < MIN_CHUNK)) return this.#end()
    const algorithm = algorithmOf(key.digest)
    if (this.#state === 'empty') await this.#start(algorithm)
    if (this.#hasher?.algorithm !== algorithm) return this.#end()
    this.#hasher.update(plain)
    const row = encodeChunks([key])
    this.#rows.push(row)
    this.#bytes += row.length
    this.#state = key.size < MIN_CHUNK ? 'last' : 'open'
    if (this.#bytes > MAX_RECIPE_BYTES) this.#end()
  }

  /** The digest of the bytes so far, if they are those of the recipe. A new run starts after it. */
  finish(recipe: Recipe): Digest | undefined {
    const whole = this.#state === 'open' || this.#state === 'last'
    const same = whole && this.#bytes === recipe.bytes.length
    const digest =
      same && Buffer.concat(this.#rows).equals(recipe.bytes) ? this.#hasher?.digest() : undefined
    this.#end()
    this.#state = 'empty'
    return digest
  }

  async #start(algorithm: Algorithm): Promise<void> {
    if (this.#hasher?.algorithm !== algorithm) this.#hasher = await createHasher(algorithm)
    this.#hasher.init()
  }

  #end(): void {
    this.#rows = []
    this.#bytes = 0
    this.#state = 'other'
  }
}
