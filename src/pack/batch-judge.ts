import { type BatchPart, paysFor } from './encode-batch.js'
import { KIND_NUMBERS, RECORD_HEADER_BYTES, RECORD_TRAILER_BYTES } from './format.js'
import { readRawHeader } from './raw-header.js'
import type { Zstd } from './zstd.js'

/** Records of a batch that are looked at, and after so many batches in a row that did not pay. */
const SAMPLES = 8
const PATIENCE = 4
const FEW_SAMPLES = 2

/**
 * Judges by samples whether it pays to compress anything in a batch of records. It learns from the
 * batches before, for they are often alike.
 */
export class BatchJudge {
  readonly #zstd: Zstd
  #failures = 0

  constructor(zstd: Zstd) {
    this.#zstd = zstd
  }

  pays(parts: BatchPart[]): boolean {
    const bodies = parts.flatMap(listBodies)
    const samples = this.#failures < PATIENCE ? SAMPLES : FEW_SAMPLES
    const step = Math.max(1, bodies.length / samples)
    for (let at = step / 2; at < bodies.length; at += step) {
      if (!paysFor(this.#zstd, bodies[Math.floor(at)]!)) continue
      this.#failures = 0
      return true
    }
    this.#failures += 1
    return false
  }
}

/** The plain bytes of its records. */
function listBodies(part: BatchPart): Uint8Array[] {
  const bodies: Uint8Array[] = []
  if ('plain' in part) {
    let at = 0
    for (const { size } of part.keys) {
      bodies.push(part.plain.subarray(at, at + size))
      at += size
    }
    return bodies
  }
  const { buffer, byteOffset, length } = part.encoded
  const view = Buffer.from(buffer, byteOffset, length)
  for (let at = 0; at < length; ) {
    const { kind, encoding, digest, storedLength } = readRawHeader(view, at)
    const start = at + RECORD_HEADER_BYTES + digest.length
    const isPlain = encoding === 0 && kind !== KIND_NUMBERS.recipe
    if (isPlain) bodies.push(view.subarray(start, start + storedLength))
    at = start + storedLength + RECORD_TRAILER_BYTES
  }
  return bodies
}
