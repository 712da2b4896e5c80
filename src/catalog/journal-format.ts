import { crc32 } from 'node:zlib'
import { ArtifactError } from '../errors.js'
import type { JournalRecord } from './records.js'

/** Segment header: magic 8, format version u16, reserved u16, first number u64, crc32 u32. */
const MAGIC = Buffer.from('ARTFJRNL', 'latin1')
const FORMAT_VERSION = 1
export const HEADER_BYTES = 24
/**
 * Frame: payload length u32, crc32 u32 over the rest, number of its first record u64, payload (a
 * JSON array of records). One flush writes one frame, and a header with the first, so that a torn
 * write never leaves a good frame behind a bad one: where that is seen, flushed bytes were damaged.
 */
const FRAME_BYTES = 16

export interface Frame {
  /** The number of its first record. */
  seq: number
  records: JournalRecord[]
  /** The offset after it. */
  end: number
}

/** The name of a segment's file; undefined for what is none. */
export function segmentIndex(name: string): number | undefined {
  const digits = /^([0-9]{1,15})\.log$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export function encodeHeader(firstSeq: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(header)
  header.writeUInt16LE(FORMAT_VERSION, 8)
  header.writeBigUInt64LE(BigInt(firstSeq), 12)
  header.writeUInt32LE(crc32(header.subarray(0, 20)), 20)
  return header
}

/**
 * The number that a segment begins with; undefined when its header does not verify.
 * @throws `STORE_UNSUPPORTED` for a format of a later program, `STORE_DAMAGED` for another file.
 */
export function decodeHeader(bytes: Buffer, path: string): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  if (crc32(bytes.subarray(0, 20)) !== bytes.readUInt32LE(20)) return undefined
  if (!bytes.subarray(0, 8).equals(MAGIC)) throw journalDamaged(path, 0, 'it is not a journal')
  const version = bytes.readUInt16LE(8)
  if (version !== FORMAT_VERSION) {
    throw new ArtifactError('STORE_UNSUPPORTED', `${path} has journal format ${version}`, {
      details: { path, version },
    })
  }
  return Number(bytes.readBigUInt64LE(12))
}

export function encodeFrame(firstSeq: number, records: JournalRecord[]): Buffer {
  const payload = Buffer.from(JSON.stringify(records), 'utf8')
  const frame = Buffer.alloc(FRAME_BYTES + payload.length)
  frame.writeUInt32LE(payload.length, 0)
  frame.writeBigUInt64LE(BigInt(firstSeq), 8)
  payload.copy(frame, FRAME_BYTES)
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4)
  return frame
}

/** The frame at an offset; undefined when it is cut or does not verify. */
export function readFrame(bytes: Buffer, offset: number): Frame | undefined {
  if (offset + FRAME_BYTES > bytes.length) return undefined
  const length = bytes.readUInt32LE(offset)
  const end = offset + FRAME_BYTES + length
  if (length < 2 || end > bytes.length) return undefined
  if (crc32(bytes.subarray(offset + 8, end)) !== bytes.readUInt32LE(offset + 4)) return undefined
  const seq = Number(bytes.readBigUInt64LE(offset + 8))
  const records = JSON.parse(bytes.toString('utf8', offset + FRAME_BYTES, end)) as JournalRecord[]
  return { seq, records, end }
}

/** The first good frame at or past an offset whose number is at least `minSeq`. */
export function findFrame(bytes: Buffer, from: number, minSeq: number): Frame | undefined {
  const min = BigInt(minSeq)
  const max = BigInt(Number.MAX_SAFE_INTEGER)
  for (let offset = from; offset + FRAME_BYTES < bytes.length; offset += 1) {
    // Most offsets are told by their length or number; a checksum takes time.
    if (bytes.readUInt32LE(offset) > bytes.length - offset - FRAME_BYTES) continue
    const seq = bytes.readBigUInt64LE(offset + 8)
    if (seq < min || seq > max) continue
    const frame = readFrame(bytes, offset)
    if (frame) return frame
  }
  return undefined
}

export function journalDamaged(path: string, record: number, what: string): ArtifactError {
  return new ArtifactError('STORE_DAMAGED', `the journal is damaged: ${path}: ${what}`, {
    details: { path, record },
  })
}
