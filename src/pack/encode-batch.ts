import { crc32 } from 'node:zlib'
import type { BlobKey } from '../model/blob-key.js'
import { ALGORITHMS, algorithmOf, digestBytes } from '../model/digest.js'
import {
  type Encoding,
  KIND_NUMBERS,
  MAX_FRAME_CONTENT,
  type RawHeader,
  RECORD_HEADER_BYTES,
  RECORD_TRAILER_BYTES,
  writeRecordHeader,
} from './format.js'
import { Patience } from './patience.js'
import { readRawHeader } from './raw-header.js'
import type { Zstd } from './zstd.js'

/** Shorter records are not worth a frame of their own. */
const MIN_BYTES = 128
/** Longer ones are judged by so many bytes from their middle: heads of files often compress alone. */
const SAMPLE_BYTES = 4096
/** A record is compressed if that makes it shorter than this share of itself. */
const WORTH = 0.92

/** What a batch is made of: whole records as they lie in a pack, or the bytes of new ones. */
export type BatchPart =
  | { encoded: Uint8Array }
  /** The bytes of the keys lie one after another. */
  | PlainPart

interface PlainPart {
  keys: BlobKey[]
  plain: Uint8Array
}

export interface EncodedBatch {
  /** Whole records, in the order of the parts. */
  encoded: Uint8Array[]
  /** Of their bodies, added up. */
  storedLength: number
}

/** The records of parts as they are, without a copy of their bytes. */
export function encodeAsIs(parts: BatchPart[]): Uint8Array[] {
  return parts.flatMap(part => ('plain' in part ? encodePlain(part) : part.encoded))
}

function encodePlain({ keys, plain }: PlainPart): Uint8Array[] {
  let at = 0
  return keys.flatMap(key => {
    const body = plain.subarray(at, at + key.size)
    at += key.size
    return encodeRecord(headerOf(key, { encoding: 0, storedLength: key.size }), body)
  })
}

/**
 * Lays records out, as they lie in a pack, whose bodies are still to come.
 * @param memory is written to from its start.
 */
export function layOutRecords(keys: BlobKey[], memory: Buffer): RecordLayout {
  const bodies: Buffer[] = []
  let at = 0
  for (const key of keys) {
    const header = writeRecordHeader(headerOf(key, { encoding: 0, storedLength: key.size }))
    memory.set(header, at)
    const start = at + header.length
    bodies.push(memory.subarray(start, start + key.size))
    at = start + key.size + RECORD_TRAILER_BYTES
  }
  const encoded = memory.subarray(0, at)
  const seal = () => {
    for (const body of bodies) {
      const end = body.byteOffset - memory.byteOffset + body.length
      memory.writeUInt32LE(crc32(body), end)
    }
  }
  return { encoded, bodies, seal }
}

export interface RecordLayout {
  /** All of them, once they are sealed. */
  encoded: Buffer
  /** To be filled. */
  bodies: Buffer[]
  /** Writes their checksums. */
  seal(): void
}

/**
 * Makes records for the wire, compressed where that pays. It learns from those before, for they
 * are often alike.
 */
export class BatchEncoder {
  readonly #zstd: Zstd
  readonly #records = new Patience()
  readonly #chunks = new Patience()

  constructor(zstd: Zstd) {
    this.#zstd = zstd
  }

  encode(parts: BatchPart[]): EncodedBatch {
    const target = new Target()
    for (const part of parts) {
      if ('encoded' in part) this.#encodeAgain(part.encoded, target)
      else this.#encodeNew(part, target)
    }
    return target.finish()
  }

  /** Whether compressing a chunk of a file, of which the others come too, seems to pay. */
  judge(chunk: Uint8Array): boolean {
    return this.#chunks.ask(() => this.#pays(chunk) || undefined) ?? false
  }

  #encodeAgain(bytes: Uint8Array, target: Target): void {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    let unchanged = 0
    for (let at = 0; at < view.length; ) {
      const header = readRawHeader(view, at)
      const start = at + RECORD_HEADER_BYTES + header.digest.length
      const end = start + header.storedLength
      const isPlain = header.encoding === 0 && header.kind !== KIND_NUMBERS.recipe
      const frame = isPlain ? this.#compress(view.subarray(start, end)) : undefined
      target.storedLength += frame?.length ?? header.storedLength
      if (frame) {
        target.add(bytes.subarray(unchanged, at))
        target.addRecord({ ...header, encoding: 1, storedLength: frame.length }, frame)
        unchanged = end + RECORD_TRAILER_BYTES
      }
      at = end + RECORD_TRAILER_BYTES
    }
    target.add(bytes.subarray(unchanged))
  }

  #encodeNew({ keys, plain }: PlainPart, target: Target): void {
    let at = 0
    for (const key of keys) {
      const { size } = key
      const body = plain.subarray(at, at + size)
      const frame = this.#compress(body)
      const stored = frame ?? body
      const storedLength = stored.length
      target.storedLength += storedLength
      target.addRecord(headerOf(key, { encoding: frame ? 1 : 0, storedLength }), stored)
      at += size
    }
  }

  #compress(plain: Uint8Array): Uint8Array | undefined {
    if (plain.length < MIN_BYTES || plain.length > MAX_FRAME_CONTENT) return undefined
    return this.#records.ask(() => {
      const frame = this.#pays(plain) ? this.#zstd.compress(plain) : undefined
      return frame && frame.length < plain.length * WORTH ? frame : undefined
    })
  }

  /** Whether a sample of a record says that compressing it pays; one of a short record is no sample. */
  #pays(plain: Uint8Array): boolean {
    return plain.length < 2 * SAMPLE_BYTES || paysFor(this.#zstd, plain)
  }
}

function headerOf(
  { kind, digest, size }: BlobKey,
  { encoding, storedLength }: { encoding: Encoding; storedLength: number },
): RawHeader {
  return {
    kind: KIND_NUMBERS[kind],
    algorithm: ALGORITHMS[algorithmOf(digest)].id,
    encoding,
    digest: digestBytes(digest),
    plainLength: size,
    storedLength,
  }
}

function encodeRecord(header: RawHeader, stored: Uint8Array): Uint8Array[] {
  const trailer = Buffer.allocUnsafe(RECORD_TRAILER_BYTES)
  trailer.writeUInt32LE(crc32(stored))
  return [Buffer.from(writeRecordHeader(header)), stored, trailer]
}

/** Collects the bytes of records; they are copied only if there is something new among them. */
class Target {
  storedLength = 0
  readonly #parts: Uint8Array[] = []
  #isNew = false

  add(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#parts.push(bytes)
  }

  addRecord(header: RawHeader, stored: Uint8Array): void {
    this.#parts.push(...encodeRecord(header, stored))
    this.#isNew = true
  }

  finish(): EncodedBatch {
    const encoded = this.#isNew ? [join(this.#parts)] : this.#parts
    return { encoded, storedLength: this.storedLength }
  }
}

/** Whether it pays to compress a record, by a sample of it if it is long. */
export function paysFor(zstd: Zstd, plain: Uint8Array): boolean {
  if (plain.length < MIN_BYTES) return false
  const middle = Math.max(0, plain.length - SAMPLE_BYTES) >> 1
  return isWorth(zstd, plain.subarray(middle, middle + SAMPLE_BYTES))
}

function isWorth(zstd: Zstd, bytes: Uint8Array): boolean {
  return zstd.compress(bytes).length < bytes.length * WORTH
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
