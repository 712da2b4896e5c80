import { randomBytes } from 'node:crypto'
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { promisify } from 'node:util'
import { publishFiles } from '../disk/publish.js'
import { ArtifactError, storeError } from '../errors.js'
import { withHasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf } from '../model/digest.js'
import { objectPath } from '../model/home.js'
import { readAt } from '../pack/read-at.js'
import { sealObject } from './object-trust.js'
import type { Store } from './store.js'
import { verifyParts } from './verify-parts.js'

/** Read at once when the whole is hashed. */
const STEP_BYTES = 1024 * 1024

const flushFile = promisify(fdatasync)

/** Makes an object of chunks that come in any order. They are the caller's to verify. */
export class ChunkAssembler {
  readonly key: BlobKey
  readonly #store: Store
  readonly #path: string
  readonly #fd: number

  /** @param folder of this process, for a file until it is whole. */
  constructor(store: Store, key: BlobKey, folder: string) {
    this.key = key
    this.#store = store
    this.#path = join(folder, `${randomBytes(8).toString('hex')}.object`)
    this.#fd = this.#attempt(() => openSync(this.#path, 'wx+', 0o600))
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#attempt(() => {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, offset + done)
      }
    })
  }

  /**
   * Hashes the whole, and makes it durable and locatable.
   * @throws `BLOB_DAMAGED` when it is not the blob.
   */
  async finish(): Promise<void> {
    const { key } = this
    const { home } = this.#store
    const onDamage = () => {
      const message = `the chunks of ${key.digest} do not make its ${key.size} bytes`
      return new ArtifactError('BLOB_DAMAGED', message, { details: { ...key } })
    }
    await withHasher(algorithmOf(key.digest), async hasher => {
      for await (const _ of verifyParts(this.#read(), key, { hasher, onDamage }));
    })
    this.#attempt(() => sealObject(this.#fd))
    await flushFile(this.#fd).catch(error => {
      throw storeError(error, `writing the object ${key.digest}`)
    })
    this.#attempt(() =>
      publishFiles([{ from: this.#path, to: objectPath(home, key.digest) }], home),
    )
    await this.#store.catalog.addObjects([key])
  }

  close(): void {
    closeSync(this.#fd)
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    const step = Buffer.allocUnsafeSlow(Math.min(STEP_BYTES, this.key.size))
    for (let at = 0; at < this.key.size; ) {
      const length = this.#attempt(() => readAt(this.#fd, step, at))
      if (length === 0) return
      yield step.subarray(0, length)
      at += length
      await yieldToLoop()
    }
  }

  #attempt<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw storeError(error, `writing the object ${this.key.digest}`)
    }
  }
}
