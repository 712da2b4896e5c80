import { fstatSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { ArtifactError, isArtifactError, storeError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import {
  decodeRecordHeader,
  type Encoding,
  RECORD_TRAILER_BYTES,
  type RecordHeader,
  recordLength,
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
    if (readAt(fd, bytes, offset) < length) throw damaged(location, 'its pack ends before it')
  } catch (error) {
    throw storeError(error, `reading ${key.kind} ${key.digest}`)
  }

  return checkRecord(bytes, location)
}

/**
 * The stored bytes of a record that was read whole.
 * @throws `BLOB_DAMAGED` as `readRecord`.
 */
export function checkRecord(bytes: Buffer, location: RecordLocation): Buffer {
  const { storedLength } = location
  checkHeader(bytes, location)
  const end = bytes.length - RECORD_TRAILER_BYTES
  const stored = bytes.subarray(end - storedLength, end)
  if (bytes.readUInt32LE(end) !== crc32(stored)) throw damaged(location, 'its checksum is wrong')
  return stored
}

/**
 * As `checkRecord`, but for the bytes of the record's body.
 * @throws `BLOB_DAMAGED` as `readRecord`.
 */
export function checkHeader(bytes: Buffer, location: RecordLocation): void {
  if (
    bytes.length <
    recordLength({ digest: location.key.digest, storedLength: location.storedLength })
  ) {
    throw damaged(location, 'its pack ends before it')
  }
  if (!isExpected(readHeader(bytes, location), location)) {
    throw damaged(location, 'another record lies in its place')
  }
}

function readHeader(bytes: Buffer, location: RecordLocation): RecordHeader {
  try {
    return decodeRecordHeader(bytes, location.offset)
  } catch (error) {
    if (isArtifactError(error, 'PACK_INVALID')) throw damaged(location, error.message)
    throw error
  }
}

function isExpected(header: RecordHeader, location: RecordLocation): boolean {
  const { key, storedLength, encoding = 0 } = location
  return (
    header.kind === key.kind &&
    header.digest === key.digest &&
    header.encoding === encoding &&
    header.plainLength === key.size &&
    header.storedLength === storedLength
  )
}

function damaged(location: RecordLocation, reason: string): ArtifactError {
  const { key, offset } = location
  return new ArtifactError('BLOB_DAMAGED', `${key.kind} ${key.digest} is damaged: ${reason}`, {
    details: { kind: key.kind, digest: key.digest, offset, reason },
  })
}
