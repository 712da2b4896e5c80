import { type Encoding, MAX_FRAME_CONTENT } from './format.js'
import type { Zstd } from './zstd.js'

/** Shorter records are not worth a frame of their own. */
const MIN_BYTES = 128
/** Longer ones are judged by so many bytes from their middle: heads of files often compress alone. */
const SAMPLE_BYTES = 4096
/** A record is compressed if that makes it shorter than this share of itself. */
const WORTH = 0.92
/** After so many records in a row that did not pay, only every eighth is looked at. */
const PATIENCE = 32
const SKIPPED = 7

export interface CompressedBatch {
  /** The stored bytes of all records, one after another. */
  bytes: Uint8Array
  encodings: Encoding[]
  lengths: number[]
}

/** Compresses records where it pays. It learns from those before, for they are often alike. */
export class BatchCompressor {
  readonly #zstd: Zstd
  #failures = 0

  constructor(zstd: Zstd) {
    this.#zstd = zstd
  }

  /** @param lengths of the records that lie one after another in `bytes`. */
  compress(bytes: Uint8Array, lengths: number[]): CompressedBatch {
    const parts: Uint8Array[] = []
    const encodings: Encoding[] = []
    let at = 0
    for (const length of lengths) {
      const plain = bytes.subarray(at, at + length)
      const frame = this.#try(plain)
      parts.push(frame ?? plain)
      encodings.push(frame ? 1 : 0)
      at += length
    }
    return { bytes: join(parts), encodings, lengths: parts.map(({ length }) => length) }
  }

  #try(plain: Uint8Array): Uint8Array | undefined {
    if (plain.length < MIN_BYTES || plain.length > MAX_FRAME_CONTENT) return undefined
    if (this.#failures > PATIENCE && this.#failures % (SKIPPED + 1) !== 0) {
      this.#failures += 1
      return undefined
    }
    const frame = this.pays(plain) ? this.#zstd.compress(plain) : undefined
    const pays = frame !== undefined && frame.length < plain.length * WORTH
    this.#failures = pays ? 0 : this.#failures + 1
    return pays ? frame : undefined
  }

  /** Whether a sample of a record says that compressing it pays. */
  pays(plain: Uint8Array): boolean {
    if (plain.length < 2 * SAMPLE_BYTES) return true
    const middle = (plain.length - SAMPLE_BYTES) >> 1
    const sample = plain.subarray(middle, middle + SAMPLE_BYTES)
    return this.#zstd.compress(sample).length < SAMPLE_BYTES * WORTH
  }
}

/** In memory of its own, so that it can be handed to another thread. */
function join(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
