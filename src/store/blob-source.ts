import { closeSync, fstatSync, openSync, read as readCallback } from 'node:fs'
import { promisify } from 'node:util'
import { ArtifactError, storeError } from '../errors.js'
import type { Hasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { objectPath } from '../model/home.js'
import { changedError, checkStat, openSource } from './external-source.js'
import type { BlobPlace } from './locate-blobs.js'
import { blobError } from './read-blob.js'
import { fileError } from './source-file.js'
import { verifyParts } from './verify-parts.js'

/** Read at once. */
const STEP_BYTES = 1024 * 1024

const readFile = promisify(readCallback)

export type FilePlace = BlobPlace & { in: 'object' | 'external' }

/** The file, open, that holds a blob as it is: an object, or a file outside the store. */
export class BlobSource {
  readonly key: BlobKey
  readonly path: string
  /** It is in the store, and so does not change. */
  readonly isObject: boolean
  readonly #place: FilePlace
  readonly #fd: number

  /**
   * @throws `BLOB_MISSING` or `BLOB_DAMAGED` for an object that is gone or has another length;
   *   `SOURCE_CHANGED`, naming the file, if one outside the store is not as it was recorded.
   */
  constructor(home: string, key: BlobKey, place: FilePlace) {
    this.key = key
    this.#place = place
    this.isObject = place.in === 'object'
    this.path = place.in === 'object' ? objectPath(home, key.digest) : place.file
    this.#fd = place.in === 'object' ? openObject(this.path, key) : openSource(place)
    try {
      this.check()
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Whether the file is still what was recorded. @throws as the constructor. */
  check(): void {
    if (this.#place.in === 'external') checkStat(this.#fd, this.#place)
    else if (fstatSync(this.#fd).size !== this.key.size) throw this.damaged()
  }

  /** The error for bytes that are not those of the blob. */
  damaged(): ArtifactError {
    if (!this.isObject) return changedError(this.path)
    const message = `the object ${this.key.digest} is damaged`
    return new ArtifactError('BLOB_DAMAGED', message, { details: { ...this.key } })
  }

  /** Bytes from `start`; fewer only at the end of the file. */
  async read(start: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length)
    let done = 0
    while (done < length) {
      const step = readFile(this.#fd, bytes, done, length - done, start + done)
      const { bytesRead } = await step.catch(error => {
        throw this.#explain(error)
      })
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  }

  /** All bytes, which are right if it ends without an error. @throws as the constructor. */
  async *parts(hasher: Hasher): AsyncGenerator<Uint8Array, void, undefined> {
    yield* verifyParts(this.#steps(), this.key, { hasher, onDamage: () => this.damaged() })
    this.check()
  }

  close(): void {
    closeSync(this.#fd)
  }

  async *#steps(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let done = 0; done < this.key.size; ) {
      const part = await this.read(done, Math.min(STEP_BYTES, this.key.size - done))
      if (part.length === 0) return
      yield part
      done += part.length
    }
  }

  #explain(error: unknown): ArtifactError {
    if (this.isObject) return storeError(error, `reading ${this.key.digest}`)
    return fileError(error, this.path)
  }
}

function openObject(path: string, key: BlobKey): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw blobError(error, key)
  }
}
