import { packError } from './format.js'

const NOTHING = Buffer.alloc(0)

/**
 * Cuts a stream of chunks at the places where a format wants them cut, without copying. A chunk may be
 * used anew by its source once the next one is asked for.
 */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Buffer = NOTHING
  #offset = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  /** Bytes given out so far. */
  get offset(): number {
    return this.#offset
  }

  /** What arrived and was not given out, without waiting; it may be nothing. */
  peek(): Buffer {
    return this.#chunk
  }

  /** The next bytes, of which as many lie at hand. */
  takeAtHand(length: number): Buffer {
    const part = this.#chunk.subarray(0, length)
    this.#chunk = this.#chunk.subarray(length)
    this.#offset += length
    return part
  }

  /** The next bytes: at least one, at most `max`; null at the end of the stream. */
  async pull(max: number): Promise<Buffer | null> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next()
      if (done) return null
      if (!(value instanceof Uint8Array)) throw new TypeError('a pack is a stream of bytes')
      this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.length)
    }
    const part = this.#chunk.subarray(0, max)
    this.#chunk = this.#chunk.subarray(part.length)
    this.#offset += part.length
    return part
  }

  /**
   * Exactly `length` bytes, copied only if they lie in more than one chunk. Memory is taken for
   * what arrived, never for what was asked.
   *
   * @throws `PACK_INVALID` if the stream ends before.
   */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let taken = 0; taken < length; ) {
      const part = await this.pull(length - taken)
      if (part === null) throw packError('cut', this.#offset)
      if (part.length === length) return part
      taken += part.length
      // What comes before the last part is kept while more is asked for.
      parts.push(taken < length ? Buffer.from(part) : part)
    }
    return Buffer.concat(parts)
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
