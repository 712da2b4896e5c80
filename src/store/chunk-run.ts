import { MAX_CHUNK, MIN_CHUNK } from '../chunk/find-cut.js'
import { encodeChunks, MAX_RECIPE_BYTES, type Recipe } from '../chunk/recipe.js'
import type { Hasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Digest } from '../model/digest.js'

/**
 * Hashes the chunks of one blob together while they arrive, so that they need not be read again
 * when a recipe follows that lists just those, in that order.
 */
export class ChunkRun {
  #hasher: Hasher | undefined
  #rows: Buffer[] = []
  #bytes = 0
  #state: 'empty' | 'open' | 'last' | 'other' = 'empty'

  /**
   * Takes the plain bytes of a small blob that came, which may be the next chunk.
   * @param hasher of its algorithm, which nothing else uses.
   */
  add(key: BlobKey, plain: Uint8Array, hasher: Hasher): void {
    const fits = key.kind === 'blob' && key.size > 0 && key.size <= MAX_CHUNK
    const open = this.#state === 'empty' || this.#state === 'open'
    // Only the last chunk is short, so that most runs of small files end with their first.
    if (!fits || !open || (this.#state === 'empty' && key.size < MIN_CHUNK)) {
      this.#end()
      return
    }
    if (this.#state === 'empty') {
      this.#hasher = hasher
      hasher.init()
    }
    if (this.#hasher !== hasher) {
      this.#end()
      return
    }
    hasher.update(plain)
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

  #end(): void {
    this.#rows = []
    this.#bytes = 0
    this.#state = 'other'
  }
}
