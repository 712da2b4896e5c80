import { crc32 } from 'node:zlib'
import { ArtifactError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Encoding, encodePackHeader, encodeRecordHeader } from './format.js'

/** Short parts are joined until they reach this. */
const CHUNK_BYTES = 128 << 10
/** Longer parts go out as they are: copying them takes longer than a write more. */
const LONG_BYTES = 32 << 10
const SPACE_BYTES = CHUNK_BYTES + LONG_BYTES

export interface WireRecord {
  key: BlobKey
  /** Default 0. */
  encoding?: Encoding
  storedLength: number
  /** The stored bytes. */
  body: Uint8Array | AsyncIterable<Uint8Array>
}

/** Records that follow one another, as they lie in a pack: headers, bodies and checksums. */
export interface WireRun {
  keys: BlobKey[]
  /** Of the bodies alone, added up. */
  storedLength: number
  /** They are handed over, with the memory that they lie in. */
  encoded: Uint8Array[]
}

export type WireItem = WireRecord | WireRun

/**
 * Writes a wire pack: a header, the records in the order given, and the `end` record, small ones in
 * chunks of about 128 KiB. An item is asked for when the memory of the one before it was given out and
 * the next part asked for, or is not needed any more.
 *
 * @throws `BLOB_DAMAGED` if a body is not `storedLength` bytes long; the pack is then cut, which
 *   its reader notices.
 */
export async function* encodePackStream(
  items: AsyncIterable<WireItem> | Iterable<WireItem>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let space = Buffer.allocUnsafe(SPACE_BYTES)
  let start = 0
  let end = 0
  for await (const part of encodeParts(items)) {
    const long = part.length >= LONG_BYTES
    if (!long) {
      if (end + part.length > space.length) {
        space = Buffer.concat([space.subarray(start, end)], SPACE_BYTES)
        end -= start
        start = 0
      }
      space.set(part, end)
      end += part.length
    }
    if (end - start >= CHUNK_BYTES || (long && end > start)) {
      yield space.subarray(start, end)
      start = end
    }
    if (long) yield part
  }
  yield space.subarray(start, end)
}

async function* encodeParts(
  items: AsyncIterable<WireItem> | Iterable<WireItem>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield encodePackHeader()
  for await (const record of items) {
    if ('encoded' in record) {
      yield* record.encoded
      continue
    }
    const { key, encoding = 0, storedLength } = record
    const { kind, digest, size: plainLength } = key
    const body = record.body instanceof Uint8Array ? [record.body] : record.body
    yield encodeRecordHeader({ kind, digest, encoding, plainLength, storedLength })
    let sent = 0
    let checksum = 0
    for await (const part of body) {
      sent += part.length
      if (sent > storedLength) throw wrongLength(record, sent)
      checksum = crc32(part, checksum)
      yield part
    }
    if (sent !== storedLength) throw wrongLength(record, sent)
    yield encodeTrailer(checksum)
  }
  yield encodeRecordHeader({
    kind: 'end',
    digest: null,
    encoding: 0,
    plainLength: 0,
    storedLength: 0,
  })
  yield encodeTrailer(0)
}

function encodeTrailer(checksum: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(checksum)
  return bytes
}

function wrongLength({ key, storedLength }: WireRecord, length: number): ArtifactError {
  const { kind, digest } = key
  return new ArtifactError(
    'BLOB_DAMAGED',
    `${kind} ${digest} has ${length} bytes or more where ${storedLength} are recorded`,
    { details: { kind, digest, storedLength, length } },
  )
}
