import { crc32 } from 'node:zlib'
import type { ByteSource } from './byte-source.js'
import { packError, RECORD_TRAILER_BYTES } from './format.js'

/** The stored bytes of one record of a stream, read as they arrive. */
export class RecordBody implements AsyncIterable<Uint8Array> {
  readonly #source: ByteSource
  readonly #maxBuffered: number
  #remaining: number
  #checksum = 0
  #state: 'fresh' | 'read' | 'ended' = 'fresh'

  constructor(source: ByteSource, options: { storedLength: number; maxBuffered: number }) {
    this.#source = source
    this.#remaining = options.storedLength
    this.#maxBuffered = options.maxBuffered
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#state !== 'fresh') {
      throw new TypeError('the body of a record is read once, before the next record')
    }
    this.#state = 'read'
    for (let part = await this.#next(); part !== null; part = await this.#next()) yield part
  }

  /** Reads what is left and checks it, unless that was done. */
  async drain(): Promise<void> {
    while ((await this.#next()) !== null);
  }

  async #next(): Promise<Buffer | null> {
    if (this.#state === 'ended') return null
    if (this.#remaining > 0) {
      const whole = this.#remaining <= this.#maxBuffered
      const part = whole
        ? await this.#source.take(this.#remaining)
        : await this.#source.pull(this.#remaining)
      if (part === null) throw packError('cut', this.#source.offset)
      this.#remaining -= part.length
      this.#checksum = crc32(part, this.#checksum)
      return part
    }
    this.#state = 'ended'
    const { offset } = this.#source
    const trailer = await this.#source.take(RECORD_TRAILER_BYTES)
    if (trailer.readUInt32LE(0) !== this.#checksum) {
      throw packError('the bytes of a record are damaged', offset)
    }
    return null
  }
}
