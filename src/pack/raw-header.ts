import { type Encoding, type RawHeader, RECORD_HEADER_BYTES, readLength } from './format.js'

/** The header of a record at `at`, whose checksum was looked at before: it is taken as it is. */
export function readRawHeader(bytes: Buffer, at: number): RawHeader {
  const digestStart = at + RECORD_HEADER_BYTES
  return {
    kind: bytes[at + 4]!,
    algorithm: bytes[at + 5]!,
    encoding: bytes[at + 6] as Encoding,
    digest: bytes.subarray(digestStart, digestStart + bytes[at + 7]!),
    plainLength: readLength(bytes, at + 8, at),
    storedLength: readLength(bytes, at + 16, at),
  }
}
