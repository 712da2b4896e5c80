import { fchmodSync, fdatasync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { DirectWriter } from '../disk/direct-writer.js'
import { storeError } from '../errors.js'
import type { BlobKind } from '../model/blob-key.js'
import { ALGORITHMS, algorithmOf, type Digest, digestBytes } from '../model/digest.js'
import {
  type Encoding,
  encodePackHeader,
  KIND_NUMBERS,
  type PackHeader,
  type RawHeader,
  RECORD_TRAILER_BYTES,
  writeRecordHeader,
} from './format.js'
import { IndexRows } from './index-record.js'
import type { RunRecord } from './parse-pack-stream.js'

const flushData = promisify(fdatasync)

export interface NewRecord {
  kind: BlobKind
  digest: Digest
  /** Of the content that the digest is of; for a recipe that is the blob it makes. */
  plainLength: number
  /** Default 0. */
  encoding?: Encoding
  /** The stored bytes. They are copied or written before `append` returns. */
  bytes: Uint8Array
  /** Their CRC-32, if it is known. */
  checksum?: number
}

export interface PackSummary {
  packId: string
  /** Bytes of the whole file. */
  size: number
  /** Records of content. */
  count: number
}

/**
 * Writes one new stored pack, for a worker thread. What is appended is copied, and written behind the
 * caller's back. The file is its owner's
 * alone while it is written, and read-only when finished; moving it to its place, and flushing the
 * folder, is up to the caller.
 *
 * Every call throws `STORE_FULL` or `STORE_FAILED` when the file system refuses, and from then on
 * throws the same error again: the file is not to be used any more, only `abandon`ed.
 */
export class PackWriter {
  readonly packId: string
  readonly path: string
  readonly #file: DirectWriter
  readonly #rows = new IndexRows()
  readonly #trailer = Buffer.allocUnsafe(RECORD_TRAILER_BYTES)
  #size = 0
  #plainBytes = 0
  #state: 'open' | 'finishing' | 'finished' | 'abandoned' = 'open'
  #released = false
  #failure: unknown = null

  /** @throws `STORE_FAILED` if `path` is there already: a pack is never written over. */
  constructor(path: string, header: PackHeader) {
    const bytes = encodePackHeader(header)
    this.packId = header.packId
    this.path = path
    try {
      this.#file = new DirectWriter(path)
    } catch (error) {
      throw storeError(error, `creating the pack ${path}`)
    }
    this.#put(bytes)
  }

  /** Bytes so far, the index not counted. */
  get size(): number {
    return this.#size
  }

  /** Records so far. */
  get count(): number {
    return this.#rows.count
  }

  /** The plain lengths of all records so far, added up. */
  get plainBytes(): number {
    return this.#plainBytes
  }

  /** Adds a record and returns the offset at which it starts. It is durable after `finish`. */
  append({ kind, digest, plainLength, encoding = 0, bytes, checksum }: NewRecord): number {
    return this.appendRaw(
      {
        kind: KIND_NUMBERS[kind],
        algorithm: ALGORITHMS[algorithmOf(digest)].id,
        encoding,
        digest: digestBytes(digest),
        plainLength,
        storedLength: bytes.length,
      },
      bytes,
      checksum,
    )
  }

  /** As `append`, for a digest that is at hand as bytes. */
  appendRaw(record: RawHeader, bytes: Uint8Array, checksum = crc32(bytes)): number {
    const { kind, encoding, plainLength } = record
    if (!Number.isSafeInteger(plainLength) || plainLength < 0) {
      throw new TypeError(`not a length: ${plainLength}`)
    }
    if (encoding === 0 && kind !== KIND_NUMBERS.recipe && plainLength !== bytes.length) {
      throw new TypeError(`${bytes.length} bytes given for a plain length of ${plainLength}`)
    }
    this.#expectOpen()
    const offset = this.#size
    this.#trailer.writeUInt32LE(checksum, 0)
    try {
      this.#put(writeRecordHeader(record))
      this.#put(bytes)
      this.#put(this.#trailer)
    } catch (error) {
      throw this.#fail(error)
    }
    this.#rows.add(record, offset)
    this.#plainBytes += plainLength
    return offset
  }

  /** Adds whole records that lie in `bytes`, as they are: those that touch each other at once. */
  appendEncoded(bytes: Buffer, records: RunRecord[]): void {
    this.#expectOpen()
    let from = 0
    let to = 0
    try {
      for (const { header, start, end } of records) {
        if (start !== to) {
          this.#put(bytes.subarray(from, to))
          from = start
        }
        to = end
        this.#rows.addEncoded(bytes, start, this.#size + start - from)
        this.#plainBytes += header.plainLength
      }
      this.#put(bytes.subarray(from, to))
    } catch (error) {
      throw this.#fail(error)
    }
  }

  /** Resolves when no bytes are on their way to the disk: a good time to append more. */
  idle(): Promise<void> {
    return this.#file.idle()
  }

  /**
   * Writes the index, flushes the file to the disk and closes it, off this thread. No other call may
   * be made before it settles.
   */
  async finish(): Promise<PackSummary> {
    this.#expectOpen()
    this.#state = 'finishing'
    const summary = { packId: this.packId, size: 0, count: this.#rows.count }
    try {
      this.#put(this.#rows.encode(this.#size))
      summary.size = this.#size
      await this.#file.end()
      fchmodSync(this.#file.fd, 0o444)
      await flushData(this.#file.fd)
      await this.#release()
    } catch (error) {
      throw this.#fail(error)
    }
    this.#state = 'finished'
    return summary
  }

  /**
   * Closes the file and removes it. After `finish` the file is the caller's, and this does
   * nothing; neither does a second call.
   */
  async abandon(): Promise<void> {
    if (this.#state === 'finished' || this.#state === 'abandoned') return
    this.#state = 'abandoned'
    try {
      await this.#release()
      rmSync(this.path, { force: true })
    } catch (error) {
      throw storeError(error, `removing the pack ${this.path}`)
    }
  }

  /** The system frees the descriptor even if closing fails, so that it is closed once. */
  async #release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    await this.#file.close()
  }

  #put(bytes: Uint8Array): void {
    this.#file.write(bytes)
    this.#size += bytes.length
  }

  #expectOpen(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#state !== 'open') throw new TypeError(`the pack ${this.path} is ${this.#state}`)
  }

  #fail(error: unknown): unknown {
    this.#failure = storeError(error, `writing the pack ${this.path}`)
    return this.#failure
  }
}
