import { crc32 } from 'node:zlib'
import { ArtifactError, isArtifactError } from '../errors.js'
import { ByteSource } from './byte-source.js'
import {
  type ContentHeader,
  decodePackHeader,
  decodeRecordHeader,
  encodeRecordHeader,
  MAX_DIGEST_BYTES,
  PACK_HEADER_BYTES,
  packError,
  RECORD_HEADER_BYTES,
  RECORD_TRAILER_BYTES,
  type RecordHeader,
} from './format.js'
import { decodeFooter, FOOTER_BYTES } from './index-record.js'
import { RecordBody, ShortBody } from './record-body.js'

/** As long as the longest blob that a store keeps in packs. */
const MAX_BUFFERED = 256 << 10
const LONGEST_HEADER = RECORD_HEADER_BYTES + MAX_DIGEST_BYTES

export interface StreamedRecord {
  header: ContentHeader
  /** The stored bytes; may be read once. */
  body: AsyncIterable<Uint8Array>
}

/** A record among others in memory: header, stored bytes and checksum, from `start` to `end`. */
export interface RunRecord {
  header: ContentHeader
  start: number
  end: number
}

/** Short records in the order in which they came, all there, whose checksums fit. */
export interface StreamedRun {
  bytes: Buffer
  records: RunRecord[]
}

export type StreamedItem = StreamedRecord | StreamedRun

export interface ParseOptions {
  /** Bytes of a body that are waited for, so that it comes as one part. Default 256 KiB. */
  maxBuffered?: number
}

/** The stored bytes of one record of a run. */
export function bodyOf(bytes: Buffer, { header, end }: RunRecord): Buffer {
  const bodyEnd = end - RECORD_TRAILER_BYTES
  return bytes.subarray(bodyEnd - header.storedLength, bodyEnd)
}

/** As {@link parsePackRuns}, one record at a time: a short one comes as one part. */
export function parsePackStream(
  source: AsyncIterable<Uint8Array>,
  options: ParseOptions = {},
): AsyncGenerator<StreamedRecord, void, undefined> {
  return splitRuns(parsePackRuns(source, options))
}

/** The same records one by one. */
export async function* splitRuns(
  items: AsyncIterable<StreamedItem>,
): AsyncGenerator<StreamedRecord, void, undefined> {
  for await (const item of items) {
    if ('body' in item) yield item
    else {
      for (const record of item.records) {
        const body = new ShortBody(bodyOf(item.bytes, record))
        yield { header: record.header, body }
        body.drain()
      }
    }
  }
}

/**
 * Reads a wire pack, or a stored one, while it arrives.
 *
 * Short records (at most `maxBuffered` stored bytes) come in runs, as many as there are: to wait for
 * each takes longer than to read it. What is longer, or has a wrong checksum, comes by itself, with a
 * body that is there until the next item is asked for; what was not read of it is read and checked
 * then. Its last step throws `PACK_INVALID` if its bytes are damaged: whoever catches that may go
 * on with the next record, whose header has a checksum of its own.
 *
 * Nothing is copied but what lies across two chunks, and a chunk is let go of when the next item is
 * asked for. Memory is bounded by `maxBuffered` and the longest chunk, whatever lengths the pack
 * claims; limits on lengths are the caller's. Digests are not verified here.
 *
 * The source is read to its end, so that an HTTP request can still be answered; it is closed when
 * the caller stops early and when an error is thrown.
 *
 * @throws `PACK_INVALID`, with `offset` in its details, if a byte is not as it must be, if the
 *   source ends before the `end` record (or, in a stored pack, the footer), or goes on after it.
 */
export async function* parsePackRuns(
  source: AsyncIterable<Uint8Array>,
  { maxBuffered = MAX_BUFFERED }: ParseOptions = {},
): AsyncGenerator<StreamedItem, void, undefined> {
  const bytes = new ByteSource(source)
  let ended = false
  try {
    readPackHeader(await bytes.take(PACK_HEADER_BYTES))
    for (;;) {
      const run = takeRun(bytes, maxBuffered)
      if (run) yield run
      const header = await readRecordHeader(bytes)
      const { storedLength } = header
      if (header.digest === null) {
        await new RecordBody(bytes, storedLength).drain()
        await readEnd(bytes, header)
        ended = true
        return
      }
      if (storedLength > maxBuffered) {
        const body = new RecordBody(bytes, storedLength)
        yield { header, body }
        await body.drain()
      } else yield* readShort(bytes, header)
    }
  } finally {
    if (!ended) await bytes.close()
  }
}

/** What lies at hand up to the first record that is cut, long, or not as it must be. */
function takeRun(bytes: ByteSource, maxBuffered: number): StreamedRun | null {
  const there = bytes.peek()
  const records: RunRecord[] = []
  let start = 0
  while (start + LONGEST_HEADER <= there.length) {
    const header = readSound(there, start)
    if (!header?.digest || header.storedLength > maxBuffered) break
    const bodyStart = start + RECORD_HEADER_BYTES + there[start + 7]!
    const bodyEnd = bodyStart + header.storedLength
    const end = bodyEnd + RECORD_TRAILER_BYTES
    if (end > there.length) break
    if (crc32(there.subarray(bodyStart, bodyEnd)) !== there.readUInt32LE(bodyEnd)) break
    records.push({ header, start, end })
    start = end
  }
  return start > 0 ? { bytes: bytes.takeAtHand(start), records } : null
}

/** Null for what is no header: whoever reads on says what is wrong with it. */
function readSound(bytes: Buffer, at: number): RecordHeader | null {
  try {
    return decodeRecordHeader(bytes, at, at)
  } catch (error) {
    if (isArtifactError(error, 'PACK_INVALID')) return null
    throw error
  }
}

/** A short record that lies across two chunks, or is damaged. */
async function* readShort(
  bytes: ByteSource,
  header: ContentHeader,
): AsyncGenerator<StreamedItem, void, undefined> {
  const { storedLength } = header
  const rest = await bytes.take(storedLength + RECORD_TRAILER_BYTES)
  const stored = rest.subarray(0, storedLength)
  if (rest.readUInt32LE(storedLength) === crc32(stored)) {
    const record = Buffer.concat([encodeRecordHeader(header), rest])
    yield { bytes: record, records: [{ header, start: 0, end: record.length }] }
    return
  }
  const error = packError('the bytes of a record are damaged', bytes.offset - RECORD_TRAILER_BYTES)
  const body = new ShortBody(stored, error)
  yield { header, body }
  body.drain()
}

function readPackHeader(bytes: Buffer): void {
  try {
    decodePackHeader(bytes)
  } catch (error) {
    // Whoever sent it is at fault, not the store here.
    if (!isArtifactError(error, 'STORE_UNSUPPORTED')) throw error
    const details = { ...error.details, offset: 0 }
    throw new ArtifactError('PACK_INVALID', error.message, { cause: error, details })
  }
}

async function readRecordHeader(bytes: ByteSource): Promise<RecordHeader> {
  const { offset } = bytes
  const fixed = Buffer.from(await bytes.take(RECORD_HEADER_BYTES))
  const digestLength = fixed.readUInt8(7)
  const digest = await bytes.take(digestLength)
  return decodeRecordHeader(digestLength === 0 ? fixed : Buffer.concat([fixed, digest]), offset)
}

async function readEnd(bytes: ByteSource, header: RecordHeader): Promise<void> {
  const { offset } = bytes
  if (header.kind === 'index' && decodeFooter(await bytes.take(FOOTER_BYTES)) === null) {
    throw packError('the footer is damaged', offset)
  }
  if ((await bytes.pull(1)) !== null) throw packError('more after the end', bytes.offset - 1)
}
