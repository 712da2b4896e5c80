import { crc32 } from 'node:zlib'
import { ArtifactError } from '../errors.js'
import type { BlobKey, BlobKind } from '../model/blob-key.js'
import {
  ALGORITHMS,
  type Algorithm,
  algorithmById,
  algorithmOf,
  type Digest,
  digestBytes,
  digestFromBytes,
} from '../model/digest.js'

// Widths, offsets and limits are those of docs/format.md, "Packs". Integers are little-endian.

export const PACK_VERSION = 1
export const PACK_HEADER_BYTES = 64
/** The fixed part of a record's header; the digest follows it. */
export const RECORD_HEADER_BYTES = 28
/** The checksum after the stored bytes of a record. */
export const RECORD_TRAILER_BYTES = 4
export const MAX_DIGEST_BYTES = 32
/** A record with more plain bytes is not compressed, so that a frame is decoded in one piece. */
export const MAX_FRAME_CONTENT = 4 * 1024 * 1024
/** The id of a wire pack, which is nobody's file. */
export const NO_PACK_ID = '0'.repeat(16)
/** The store id of a wire pack. */
export const NO_STORE_ID = '0'.repeat(32)

const PACK_MAGIC = Buffer.from('ARTFPACK', 'latin1')
/** The bytes 89 "REC": 0x89 is in no ASCII text and starts no UTF-8 character. */
const RECORD_MAGIC = 0x43455289

export const KIND_NUMBERS = { blob: 1, piece: 2, recipe: 3, end: 254, index: 255 } as const
const KINDS = new Map<number, RecordKind>(
  Object.entries(KIND_NUMBERS).map(([kind, number]) => [number, kind as RecordKind]),
)

/** How the stored bytes of a record hold the plain ones: 0 as they are, 1 in one zstd frame. */
export type Encoding = 0 | 1

export function isEncoding(value: number): value is Encoding {
  return value === 0 || value === 1
}

export interface PackHeader {
  /** 16 hex digits. */
  packId: string
  /** 32 hex digits: the store that the pack was written in. */
  storeId: string
}

/** Lengths are in bytes. */
interface RecordLengths {
  encoding: Encoding
  plainLength: number
  storedLength: number
}

/** What a record of content says of itself. */
export interface ContentHeader extends RecordLengths {
  kind: BlobKind
  digest: Digest
}

/** The record that ends a wire pack, or the index of a stored one. */
export interface ClosingHeader extends RecordLengths {
  kind: 'end' | 'index'
  digest: null
}

export type RecordHeader = ContentHeader | ClosingHeader
export type RecordKind = RecordHeader['kind']

/** A record of content, and where in its pack it starts. */
export interface PackedRecord {
  key: BlobKey
  encoding: Encoding
  offset: number
  storedLength: number
}

export function packError(message: string, offset: number): ArtifactError {
  return new ArtifactError('PACK_INVALID', `${message} at byte ${offset} of the pack`, {
    details: { offset },
  })
}

/** Bytes from the start of a record to the start of the next one. */
export function recordLength(record: Pick<RecordHeader, 'digest' | 'storedLength'>): number {
  const digestLength = record.digest === null ? 0 : ALGORITHMS[algorithmOf(record.digest)].bytes
  return RECORD_HEADER_BYTES + digestLength + record.storedLength + RECORD_TRAILER_BYTES
}

/** A record's header in the terms of the format: what is known without its digest's text. */
export interface RawHeader {
  kind: number
  /** The number of the algorithm; 0 where there is no digest. */
  algorithm: number
  encoding: Encoding
  digest: Uint8Array
  plainLength: number
  storedLength: number
}

// One header at a time is made here: there is one for every small file.
const header = Buffer.alloc(RECORD_HEADER_BYTES + MAX_DIGEST_BYTES)
const headerView = new DataView(header.buffer, header.byteOffset, header.length)

/** The header of a record with its digest; valid until the next call. */
export function writeRecordHeader(raw: RawHeader): Buffer {
  const { kind, algorithm, encoding, digest, plainLength, storedLength } = raw
  headerView.setUint32(0, RECORD_MAGIC, true)
  header[4] = kind
  header[5] = algorithm
  header[6] = encoding
  header[7] = digest.length
  setLength(headerView, 8, plainLength)
  setLength(headerView, 16, storedLength)
  header.set(digest, RECORD_HEADER_BYTES)
  headerView.setUint32(24, headerChecksum(header, 0), true)
  return header.subarray(0, RECORD_HEADER_BYTES + digest.length)
}

/** Writes a length or an offset as a u64. */
export function setLength(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

/** The header of a record with its digest. */
export function encodeRecordHeader({ kind, digest, ...lengths }: RecordHeader): Buffer {
  return Buffer.from(
    writeRecordHeader({
      kind: KIND_NUMBERS[kind],
      algorithm: digest === null ? 0 : ALGORITHMS[algorithmOf(digest)].id,
      digest: digest === null ? Buffer.alloc(0) : digestBytes(digest),
      ...lengths,
    }),
  )
}

/**
 * Reads the header at byte `at` of `bytes`, which may go on after it. `offset` is where it lies in
 * the pack, for errors.
 *
 * @throws `PACK_INVALID`, with `offset` in its details, for anything that `encodeRecordHeader`
 *   does not write.
 */
export function decodeRecordHeader(bytes: Buffer, offset: number, at = 0): RecordHeader {
  const start = at + RECORD_HEADER_BYTES
  if (bytes.length < start) throw packError('cut in the header of a record', offset)
  if (bytes.readUInt32LE(at) !== RECORD_MAGIC) throw packError('no record starts', offset)
  const digestLength = bytes[at + 7]!
  if (digestLength > MAX_DIGEST_BYTES) throw packError('a record has too long a digest', offset)
  const end = start + digestLength
  if (bytes.length < end) throw packError('cut in the header of a record', offset)
  if (bytes.readUInt32LE(at + 24) !== headerChecksum(bytes, at)) {
    throw packError('a record has a damaged header', offset)
  }

  const kind = KINDS.get(bytes[at + 4]!)
  if (kind === undefined) throw packError(`unknown kind of record ${bytes[at + 4]}`, offset)
  const encoding = readEncoding(bytes, at + 6, offset)
  const plainLength = readLength(bytes, at + 8, offset)
  const storedLength = readLength(bytes, at + 16, offset)
  if (encoding === 0 && kind !== 'recipe' && plainLength !== storedLength) {
    throw packError('the lengths of a record differ', offset)
  }
  if (kind === 'end' || kind === 'index') {
    if (bytes[at + 5] !== 0 || digestLength !== 0 || encoding !== 0) {
      throw packError(`the record "${kind}" has a digest or an encoding`, offset)
    }
    if (kind === 'end' && storedLength !== 0) throw packError('the record "end" has bytes', offset)
    return { kind, digest: null, encoding, plainLength, storedLength }
  }
  const digest = readDigest(bytes[at + 5]!, bytes.subarray(start, end), offset)
  return { kind, digest, encoding, plainLength, storedLength }
}

/** `storeId` and `packId` are in hex; both default to zeros, as on the wire. */
export function encodePackHeader(header: Partial<PackHeader> = {}): Buffer {
  const { packId = NO_PACK_ID, storeId = NO_STORE_ID } = header
  if (!/^[0-9a-f]{16}$/.test(packId)) throw new TypeError('a pack id is 16 hex digits')
  if (!/^[0-9a-f]{32}$/.test(storeId)) throw new TypeError('a store id is 32 hex digits')
  const bytes = Buffer.alloc(PACK_HEADER_BYTES)
  PACK_MAGIC.copy(bytes, 0)
  bytes.writeUInt16LE(PACK_VERSION, 8)
  bytes.write(packId, 16, 'hex')
  bytes.write(storeId, 24, 'hex')
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60)
  return bytes
}

/**
 * Reads the header at the start of `bytes`. The places of its magic, version and checksum are the
 * same in every version of the format.
 *
 * @throws `PACK_INVALID` for what is not the header of a pack; `STORE_UNSUPPORTED` for a sound
 *   header of another version, of an encrypted pack, or with a reserved byte in use.
 */
export function decodePackHeader(bytes: Buffer): PackHeader {
  if (bytes.length < PACK_HEADER_BYTES) throw packError('cut in the header', 0)
  if (!bytes.subarray(0, 8).equals(PACK_MAGIC)) throw packError('not a pack: no magic', 0)
  if (bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60))) {
    throw packError('the header is damaged', 0)
  }
  const version = bytes.readUInt16LE(8)
  if (version !== PACK_VERSION) throw unsupported(`has format version ${version}`, { version })
  const flags = bytes.readUInt16LE(10)
  if ((flags & 1) !== 0) throw unsupported('is encrypted', { flags })
  const reserved = [bytes.readUInt16LE(10), bytes.readUInt32LE(12), ...bytes.subarray(40, 60)]
  if (reserved.some(value => value !== 0)) throw unsupported('uses reserved fields', { flags })
  return {
    packId: bytes.toString('hex', 16, 24),
    storeId: bytes.toString('hex', 24, 40),
  }
}

/** A length or an offset: a u64 that is a safe integer. Without a bigint, for it is read often. */
export function readLength(bytes: Buffer, at: number, offset: number): number {
  const high = bytes.readUInt32LE(at + 4)
  if (high >= 2 ** 21) throw packError('a length beyond 2^53', offset)
  return bytes.readUInt32LE(at) + high * 2 ** 32
}

export function readEncoding(bytes: Buffer, at: number, offset: number): Encoding {
  const value = bytes.readUInt8(at)
  if (isEncoding(value)) return value
  throw packError(`unknown encoding ${value}`, offset)
}

/** `number` is that of the algorithm, `bytes` are exactly those of the digest. */
export function readDigest(number: number, bytes: Buffer, offset: number): Digest {
  let algorithm: Algorithm
  try {
    algorithm = algorithmById(number)
  } catch {
    throw packError(`unknown digest algorithm ${number}`, offset)
  }
  if (ALGORITHMS[algorithm].bytes !== bytes.length) {
    throw packError(`an ${algorithm} digest of ${bytes.length} bytes`, offset)
  }
  return digestFromBytes(algorithm, bytes)
}

/** CRC-32 of every byte. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/**
 * Of the header at `at`: over the fixed part up to the checksum itself, and then the digest. A loop:
 * for so few bytes two calls of zlib take four times as long.
 */
function headerChecksum(bytes: Uint8Array, at: number): number {
  const fixed = crcOf(bytes, at, at + 24, -1)
  const start = at + RECORD_HEADER_BYTES
  return ~crcOf(bytes, start, start + bytes[at + 7]!, fixed) >>> 0
}

function crcOf(bytes: Uint8Array, start: number, end: number, before: number): number {
  let crc = before
  for (let at = start; at < end; at += 1) {
    crc = CRC_TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  }
  return crc
}

function unsupported(what: string, details: Record<string, unknown>): ArtifactError {
  return new ArtifactError('STORE_UNSUPPORTED', `the pack ${what}`, { details })
}
