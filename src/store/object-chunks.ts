import { closeSync, openSync } from 'node:fs'
import type { ChunkPlace } from '../catalog/caches.js'
import { MAX_CHUNK } from '../chunk/find-cut.js'
import { systemCode } from '../errors.js'
import { HasherSet, hashBytes } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf, type Digest } from '../model/digest.js'
import { objectPath } from '../model/home.js'
import { readAt } from '../pack/read-at.js'
import type { Store } from './store.js'

/** Reads chunks out of the objects of a store, as far as is remembered where they lie. */
export class ObjectChunks {
  readonly #store: Store
  readonly #hashers = new HasherSet()
  readonly #memory = Buffer.allocUnsafeSlow(MAX_CHUNK)
  #open: { object: Digest; fd: number } | undefined

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Gives `use` the bytes of those of at most `MAX_BATCH` keys that are here, verified. They are there
   * until it returns.
   */
  async read(keys: BlobKey[], use: (key: BlobKey, bytes: Buffer) => void): Promise<void> {
    const places = await this.#store.catalog.findChunks(keys.map(({ digest }) => digest))
    for (const [index, key] of keys.entries()) {
      const place = places[index]
      const bytes = place && this.#readAt(place, key.size)
      if (!bytes) continue
      const hasher = await this.#hashers.get(algorithmOf(key.digest))
      if (hashBytes(hasher, bytes) === key.digest) use(key, bytes)
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#open.fd)
    this.#open = undefined
  }

  /** Undefined when the object is gone, or shorter. */
  #readAt({ object, offset }: ChunkPlace, length: number): Buffer | undefined {
    if (this.#open?.object !== object) {
      this.close()
      try {
        this.#open = { object, fd: openSync(objectPath(this.#store.home, object), 'r') }
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return undefined
        throw error
      }
    }
    const bytes = this.#memory.subarray(0, length)
    return readAt(this.#open.fd, bytes, offset) === length ? bytes : undefined
  }
}
