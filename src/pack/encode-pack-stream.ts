import { crc32 } from 'node:zlib'
import { ArtifactError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Encoding, encodePackHeader, encodeRecordHeader } from './format.js'

/** Short parts are joined until they reach this. */
const CHUNK_BYTES = 128 << 10
/** Longer parts go out as they are: copying them takes longer than a write more. */
const LONG_BYTES = 32 << 10

export interface WireRecord {
  key: BlobKey
  /** Default 0. */
  encoding?: Encoding
  storedLength: number
  /** The stored bytes. A buffer that was handed over must not be written to again. */
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
 * Writes a wire pack: a header, the records in the order given, and the `end` record. Each item
 * is asked for when the one before it has gone out, small ones in chunks of about 128 KiB.
 *
 * @throws `BLOB_DAMAGED` if a body is not `storedLength` bytes long; the pack is then cut, which
 *   its reader notices.
 */
export async function* encodePackStream(
  items: AsyncIterable<WireItem> | Iterable<WireItem>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let waiting: Uint8Array[] = []
  let length = 0
  for await (const part of encodeParts(items)) {
    const long = part.length >= LONG_BYTES
    if (!long) {
      waiting.push(part)
      length += part.length
    }
    if (length >= CHUNK_BYTES || (long && length > 0)) {
      yield Buffer.concat(waiting, length)
      waiting = []
      length = 0
    }
    if (long) yield part
  }
  yield Buffer.concat(waiting, length)
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
