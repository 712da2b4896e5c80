import { crc32 } from 'node:zlib'
import { isArtifactError } from '../errors.js'
import {
  decodeRecordHeader,
  MAX_DIGEST_BYTES,
  PACK_HEADER_BYTES,
  type PackedRecord,
  RECORD_HEADER_BYTES,
  RECORD_TRAILER_BYTES,
  type RecordHeader,
  recordLength,
} from './format.js'
import { readAt } from './read-at.js'

const WINDOW_BYTES = 1 << 20

/**
 * Reads a pack from its first record to the first bad byte, checking both checksums of every
 * record. `complete` says that an index record follows the last one, so that none is missing.
 * `size` is that of the file.
 */
export function scanRecords(
  fd: number,
  size: number,
): { records: PackedRecord[]; complete: boolean } {
  const window = new FileWindow(fd)
  const records: PackedRecord[] = []
  for (let offset = PACK_HEADER_BYTES; ; ) {
    const header = readHeader(window, offset)
    if (header === null || header.digest === null) {
      return { records, complete: header?.kind === 'index' }
    }
    const next = offset + recordLength(header)
    if (next > size || !isBodySound(window, next, header.storedLength)) {
      return { records, complete: false }
    }
    const { kind, digest, plainLength, encoding, storedLength } = header
    const key = { kind, digest, size: plainLength }
    records.push({ key, encoding, offset, storedLength })
    offset = next
  }
}

function readHeader(window: FileWindow, offset: number): RecordHeader | null {
  try {
    return decodeRecordHeader(window.read(offset, RECORD_HEADER_BYTES + MAX_DIGEST_BYTES), offset)
  } catch (error) {
    if (isArtifactError(error, 'PACK_INVALID')) return null
    throw error
  }
}

/** Checks the stored bytes of the record that ends at byte `next`. */
function isBodySound(window: FileWindow, next: number, storedLength: number): boolean {
  const end = next - RECORD_TRAILER_BYTES
  let checksum = 0
  for (let at = end - storedLength; at < end; ) {
    const part = window.read(at, Math.min(end - at, WINDOW_BYTES))
    if (part.length === 0) return false
    checksum = crc32(part, checksum)
    at += part.length
  }
  const trailer = window.read(end, RECORD_TRAILER_BYTES)
  return trailer.length === RECORD_TRAILER_BYTES && trailer.readUInt32LE(0) === checksum
}

/** Reads a file forwards, a window at a time. */
class FileWindow {
  readonly #fd: number
  readonly #bytes = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  #start = 0
  #end = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Up to `length` bytes at `at`, fewer only at the end of the file; good until the next call. */
  read(at: number, length: number): Buffer {
    if (at < this.#start || at + length > this.#end) {
      this.#start = at
      this.#end = at + readAt(this.#fd, this.#bytes, at)
    }
    const from = at - this.#start
    return this.#bytes.subarray(from, Math.min(from + length, this.#end - this.#start))
  }
}
