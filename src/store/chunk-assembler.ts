import { randomBytes } from 'node:crypto'
import { closeSync, fdatasync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { promisify } from 'node:util'
import { publishFiles } from '../disk/publish.js'
import { ArtifactError, storeError } from '../errors.js'
import { type Hasher, withHasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf, type Digest } from '../model/digest.js'
import { objectPath } from '../model/home.js'
import { readAt } from '../pack/read-at.js'
import { sealObject } from './object-trust.js'
import type { Store } from './store.js'

/** Written to the disk behind while more comes, so that little is left to flush at the end. */
const FLUSH_BYTES = 64 * 1024 * 1024
/** Read at once when the rest is hashed. */
const STEP_BYTES = 1024 * 1024

const flushFile = promisify(fdatasync)

export interface AssemblerOptions {
  /** A folder of this process, for the file until it is whole. */
  folder: string
  /** For nothing else meanwhile: the whole is hashed while chunks come, as far as that is in order. */
  hasher?: Hasher | undefined
}

/** Makes an object of chunks that come in any order. They are the caller's to verify. */
export class ChunkAssembler {
  readonly key: BlobKey
  readonly #store: Store
  readonly #path: string
  readonly #fd: number
  readonly #hasher: Hasher | undefined
  /** Bytes from the start that are hashed. */
  #hashed = 0
  #unflushed = 0
  /** The flush that is under way or done; none follows one that failed. */
  #flush: Promise<void> | undefined

  constructor(store: Store, key: BlobKey, { folder, hasher }: AssemblerOptions) {
    this.key = key
    this.#store = store
    this.#hasher = hasher
    hasher?.init()
    this.#path = join(folder, `${randomBytes(8).toString('hex')}.object`)
    this.#fd = this.#attempt(() => openSync(this.#path, 'wx+', 0o600))
  }

  write(bytes: Uint8Array, offset: number): void {
    if (this.#hasher && offset === this.#hashed) {
      this.#hasher.update(bytes)
      this.#hashed += bytes.length
    }
    this.#attempt(() => {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, offset + done)
      }
    })
    this.#unflushed += bytes.length
    if (this.#unflushed < FLUSH_BYTES) return
    this.#unflushed = 0
    this.#flushBehind()
  }

  /**
   * Makes the whole durable and locatable.
   * @throws `BLOB_DAMAGED` when it is not the blob.
   */
  async finish(): Promise<void> {
    const { key } = this
    const { home } = this.#store
    const hasher = this.#hasher
    const digest = await (hasher
      ? this.#digest(hasher)
      : withHasher(algorithmOf(key.digest), lent => this.#digest(lent)))
    if (digest !== key.digest) {
      const message = `the chunks of ${key.digest} do not make its ${key.size} bytes`
      throw new ArtifactError('BLOB_DAMAGED', message, { details: { ...key } })
    }
    this.#attempt(() => sealObject(this.#fd))
    this.#flushBehind()
    await this.#flush?.catch(error => {
      throw storeError(error, `writing the object ${key.digest}`)
    })
    this.#attempt(() =>
      publishFiles([{ from: this.#path, to: objectPath(home, key.digest) }], home),
    )
    await this.#store.catalog.addObjects([key])
  }

  /** Nothing can be written any more. */
  async close(): Promise<void> {
    await this.#flush?.catch(() => {})
    closeSync(this.#fd)
  }

  #flushBehind(): void {
    this.#flush = (this.#flush ?? Promise.resolve()).then(() => flushFile(this.#fd))
    // It is awaited at the end.
    this.#flush.catch(() => {})
  }

  /** Of all that there is: what was not hashed when it came is read again. */
  async #digest(hasher: Hasher): Promise<Digest> {
    const step = Buffer.allocUnsafeSlow(Math.min(STEP_BYTES, this.key.size))
    for (;;) {
      const length = this.#attempt(() => readAt(this.#fd, step, this.#hashed))
      if (length === 0) return hasher.digest()
      hasher.update(step.subarray(0, length))
      this.#hashed += length
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
