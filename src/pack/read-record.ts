import { fstatSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { ArtifactError, isArtifactError, storeError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { ALGORITHMS, algorithmOf, digestBytes } from '../model/digest.js'
import {
  decodeRecordHeader,
  type Encoding,
  KIND_NUMBERS,
  RECORD_TRAILER_BYTES,
  recordLength,
  writeRecordHeader,
} from './format.js'
import { readAt } from './read-at.js'

/** Above this the file's size is looked at before memory is taken for a record. */
const TRUSTED_BYTES = 1 << 20

export interface RecordLocation {
  key: BlobKey
  /** Where the record starts in its pack. */
  offset: number
  storedLength: number
  /** Default 0. */
  encoding?: Encoding
}

/**
 * Reads the stored bytes of one record from an open pack, in one read, and checks that the record
 * is the expected one and that both its checksums hold. It does not hash: whoever trusts the bytes
 * verifies their digest.
 *
 * @throws `BLOB_DAMAGED` if anything differs, with `kind`, `digest` and `offset` in its details;
 *   `STORE_FAILED` if the file cannot be read.
 */
export function readRecord(fd: number, location: RecordLocation): Buffer {
  const { key, offset, storedLength } = location
  const length = recordLength({ digest: key.digest, storedLength })
  let bytes: Buffer
  try {
    if (length > TRUSTED_BYTES && offset + length > fstatSync(fd).size) {
      throw damaged(location, 'its pack ends before it')
    }
    bytes = Buffer.allocUnsafe(length)
    bytes = bytes.subarray(0, readAt(fd, bytes, offset))
  } catch (error) {
    throw storeError(error, `reading ${key.kind} ${key.digest}`)
  }

  return checkRecord(bytes, location)
}

/**
 * The stored bytes of a record.
 * @param bytes all of it, or what there is of it.
 * @throws `BLOB_DAMAGED` as `readRecord`.
 */
export function checkRecord(bytes: Buffer, location: RecordLocation): Buffer {
  const stored = openRecord(bytes, location)
  const end = bytes.length - RECORD_TRAILER_BYTES
  if (bytes.readUInt32LE(end) !== crc32(stored)) throw damaged(location, 'its checksum is wrong')
  return stored
}

/** As {@link checkRecord}, for whoever hashes the bytes: their own checksum is not looked at. */
export function openRecord(bytes: Buffer, location: RecordLocation): Buffer {
  checkHeader(bytes, location)
  const end = bytes.length - RECORD_TRAILER_BYTES
  return bytes.subarray(end - location.storedLength, end)
}

/**
 * As {@link checkRecord}, but for the bytes of the record's body. There is one way to write a header,
 * so that it is compared and not read.
 */
export function checkHeader(bytes: Buffer, location: RecordLocation): void {
  const { key, storedLength, encoding = 0 } = location
  if (bytes.length < recordLength({ digest: key.digest, storedLength })) {
    throw damaged(location, 'its pack ends before it')
  }
  const expected = writeRecordHeader({
    kind: KIND_NUMBERS[key.kind],
    algorithm: ALGORITHMS[algorithmOf(key.digest)].id,
    encoding,
    digest: digestBytes(key.digest),
    plainLength: key.size,
    storedLength,
  })
  if (bytes.subarray(0, expected.length).equals(expected)) return
  let reason = 'another record lies in its place'
  try {
    decodeRecordHeader(bytes, location.offset)
  } catch (error) {
    if (!isArtifactError(error, 'PACK_INVALID')) throw error
    reason = error.message
  }
  throw damaged(location, reason)
}

function damaged(location: RecordLocation, reason: string): ArtifactError {
  const { key, offset } = location
  return new ArtifactError('BLOB_DAMAGED', `${key.kind} ${key.digest} is damaged: ${reason}`, {
    details: { kind: key.kind, digest: key.digest, offset, reason },
  })
}
