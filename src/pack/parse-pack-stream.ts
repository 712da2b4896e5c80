import { ArtifactError, isArtifactError } from '../errors.js'
import { ByteSource } from './byte-source.js'
import {
  type ContentHeader,
  decodePackHeader,
  decodeRecordHeader,
  MAX_DIGEST_BYTES,
  PACK_HEADER_BYTES,
  packError,
  RECORD_HEADER_BYTES,
  RECORD_TRAILER_BYTES,
  type RecordHeader,
} from './format.js'
import { decodeFooter, FOOTER_BYTES } from './index-record.js'
import { RecordBody, ShortBody, type WholeBody } from './record-body.js'

export type { WholeBody }

/** As long as the longest blob that a store keeps in packs. */
const MAX_BUFFERED = 256 << 10

export interface StreamedRecord {
  header: ContentHeader
  /** The stored bytes; may be read once. */
  body: AsyncIterable<Uint8Array>
  /** The same of a short record whose checksum fits: they need not be waited for. */
  whole?: WholeBody
}

/**
 * Reads a wire pack, or a stored one, record by record while it arrives.
 *
 * A body is there until the next record is asked for; what was not read of it is read and checked
 * then. Its last step throws `PACK_INVALID` if its bytes are damaged: whoever catches that may go
 * on with the next record, whose header has a checksum of its own. Nothing is copied but what lies
 * across two chunks; a record of at most `maxBuffered` stored bytes (default 256 KiB) comes as one
 * part, a longer one as its chunks arrive. Memory is bounded by `maxBuffered` and the longest
 * chunk, whatever lengths the pack claims; limits on lengths are the caller's. Digests are not
 * verified here.
 *
 * The source is read to its end, so that an HTTP request can still be answered; it is closed when
 * the caller stops early and when an error is thrown.
 *
 * @throws `PACK_INVALID`, with `offset` in its details, if a byte is not as it must be, if the
 *   source ends before the `end` record (or, in a stored pack, the footer), or goes on after it.
 */
export async function* parsePackStream(
  source: AsyncIterable<Uint8Array>,
  options: { maxBuffered?: number } = {},
): AsyncGenerator<StreamedRecord, void, undefined> {
  const { maxBuffered = MAX_BUFFERED } = options
  const bytes = new ByteSource(source)
  let ended = false
  try {
    readPackHeader(await bytes.take(PACK_HEADER_BYTES))
    for (;;) {
      const header = readHeaderAtHand(bytes) ?? (await readRecordHeader(bytes))
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
      } else {
        const { offset } = bytes
        const length = storedLength + RECORD_TRAILER_BYTES
        const body = new ShortBody(bytes.takeAtHand(length) ?? (await bytes.take(length)), offset)
        yield { header, body, ...(body.whole && { whole: body.whole }) }
        body.drain()
      }
    }
  } finally {
    if (!ended) await bytes.close()
  }
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

/** Without waiting and copying, as nearly every header is: there is one for every small file. */
function readHeaderAtHand(bytes: ByteSource): RecordHeader | null {
  const there = bytes.peek()
  if (there.length < RECORD_HEADER_BYTES + MAX_DIGEST_BYTES) return null
  const header = decodeRecordHeader(there, bytes.offset)
  bytes.takeAtHand(RECORD_HEADER_BYTES + there[7]!)
  return header
}

async function readRecordHeader(bytes: ByteSource): Promise<RecordHeader> {
  const { offset } = bytes
  const fixed = await bytes.take(RECORD_HEADER_BYTES)
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
