import { crc32 } from 'node:zlib'
import type { ByteSource } from './byte-source.js'
import { packError, RECORD_TRAILER_BYTES } from './format.js'

/** The stored bytes of one record of a stream, read as they arrive. */
export class RecordBody implements AsyncIterable<Uint8Array> {
  readonly #source: ByteSource
  #remaining: number
  #checksum = 0
  #state: 'fresh' | 'read' | 'ended' = 'fresh'

  constructor(source: ByteSource, storedLength: number) {
    this.#source = source
    this.#remaining = storedLength
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#state !== 'fresh') throw readTwice()
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
      const part = await this.#source.pull(this.#remaining)
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

/** The stored bytes of one record of a stream, all of which arrived. */
export class ShortBody implements AsyncIterable<Uint8Array> {
  readonly #bytes: Buffer
  readonly #damage: Error | undefined
  #state: 'fresh' | 'read' | 'ended' = 'fresh'

  /** @param damage what is wrong with them. */
  constructor(bytes: Buffer, damage?: Error) {
    this.#bytes = bytes
    this.#damage = damage
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#state !== 'fresh') throw readTwice()
    this.#state = 'read'
    if (this.#bytes.length > 0) yield this.#bytes
    this.drain()
  }

  /** Ends the reading, and says what is wrong with the bytes, unless that was done. */
  drain(): void {
    const isTold = this.#state === 'ended'
    this.#state = 'ended'
    if (this.#damage && !isTold) throw this.#damage
  }
}

function readTwice(): TypeError {
  return new TypeError('the body of a record is read once, before the next record')
}

/** All bytes of a body, copied: each part is there until the next is asked for. */
export async function readWhole(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const taken: Uint8Array[] = []
  for await (const part of parts) taken.push(new Uint8Array(part))
  return Buffer.concat(taken)
}
