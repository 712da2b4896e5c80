import { createScan, type Scan } from './scan-module.js'

/** A chunk is no shorter, unless it is the last of its blob. */
export const MIN_CHUNK = 32 * 1024
/** A chunk is no longer: it is a small blob wherever it is kept. */
export const MAX_CHUNK = 240 * 1024
/** The last bytes that the hash depends on: each byte moves it by one bit, and it has 32. */
const HASHED_BYTES = 32

/**
 * A random number for each byte, in 32 bits: the finalizer of MurmurHash3 over the multiples of
 * 2^32 divided by the golden ratio (docs/format.md, "Chunks").
 */
const GEAR = Int32Array.from({ length: 256 }, (_, byte) => {
  let hash = Math.imul(byte + 1, 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
})

/** Finds where chunks end, in memory of its own. */
export class CutFinder {
  /** For the bytes to cut. */
  readonly window: Buffer
  readonly #scan: Scan

  constructor(length: number) {
    const { memory, scan } = createScan(GEAR.byteLength + length)
    new Int32Array(memory).set(GEAR)
    this.window = Buffer.from(memory, GEAR.byteLength, length)
    this.#scan = scan
  }

  /**
   * The length of the chunk that starts at `start` of the window, in which the bytes go on to `end`. It
   * ends after the first byte, {@link MIN_CHUNK} or more from there, at which the hash of what is
   * before has its high 16 bits zero, at {@link MAX_CHUNK}, or with the bytes. About 96 KiB on average.
   */
  findCut(start: number, end: number): number {
    const limit = Math.min(end, start + MAX_CHUNK)
    const first = start + MIN_CHUNK - 1
    if (first >= limit) return limit - start
    let hash = 0
    for (let at = first - HASHED_BYTES + 1; at < first; at++) {
      hash = ((hash << 1) + GEAR[this.window[at]!]!) | 0
    }
    const { byteOffset } = this.window
    return this.#scan(byteOffset + first, byteOffset + limit, hash) - byteOffset - start
  }
}
