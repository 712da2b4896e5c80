/** A chunk is no shorter, unless it is the last of its blob. */
export const MIN_CHUNK = 32 * 1024
/** A chunk is no longer: it is a small blob wherever it is kept. */
export const MAX_CHUNK = 240 * 1024
/** The last bytes that the hash depends on: each byte moves it by one bit, and it has 32. */
const WINDOW = 32

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

/**
 * The length of the chunk that starts at `start`: it ends after the first byte, {@link MIN_CHUNK}
 * or more from there, at which the hash of what is before has its high 16 bits zero, at
 * {@link MAX_CHUNK}, or with the bytes. About 96 KiB on average.
 */
export function findCut(bytes: Uint8Array, start: number): number {
  const limit = Math.min(bytes.length, start + MAX_CHUNK)
  const first = start + MIN_CHUNK - 1
  let hash = 0
  let at = Math.max(start, first - WINDOW + 1)
  for (; at < first && at < limit; at++) hash = ((hash << 1) + GEAR[bytes[at]!]!) | 0
  for (; at < limit; at++) {
    hash = ((hash << 1) + GEAR[bytes[at]!]!) | 0
    if (hash >>> 16 === 0) return at + 1 - start
  }
  return limit - start
}
