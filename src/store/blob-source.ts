import { closeSync, fstatSync, openSync, readv } from 'node:fs'
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

const readMany = promisify(readv)

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

  /**
   * Reads bytes from `start` into buffers, one after another.
   * @returns how many; fewer than there is room for only at the end of the file.
   */
  async fill(buffers: Buffer[], start: number): Promise<number> {
    let done = 0
    for (let rest = buffers; rest.length > 0; ) {
      const { bytesRead } = await readMany(this.#fd, rest, start + done).catch(error => {
        throw this.#explain(error)
      })
      if (bytesRead === 0) break
      done += bytesRead
      rest = skipBytes(rest, bytesRead)
    }
    return done
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
      const part = Buffer.allocUnsafeSlow(Math.min(STEP_BYTES, this.key.size - done))
      const length = await this.fill([part], done)
      if (length === 0) return
      yield part.subarray(0, length)
      done += length
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

function skipBytes(buffers: Buffer[], length: number): Buffer[] {
  let skipped = 0
  while (buffers[skipped] && buffers[skipped]!.length <= length) {
    length -= buffers[skipped]!.length
    skipped += 1
  }
  const [first, ...others] = buffers.slice(skipped)
  return first ? [first.subarray(length), ...others] : []
}
