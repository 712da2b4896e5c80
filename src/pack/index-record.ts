import { crc32 } from 'node:zlib'
import type { BlobKind } from '../model/blob-key.js'
import { ALGORITHMS, algorithmOf, hexOf } from '../model/digest.js'
import {
  type Encoding,
  encodeRecordHeader,
  isEncoding,
  KIND_NUMBERS,
  PACK_HEADER_BYTES,
  type PackedRecord,
  packError,
  type RawHeader,
  RECORD_HEADER_BYTES,
  RECORD_TRAILER_BYTES,
  readDigest,
  readLength,
  setLength,
} from './format.js'

export const FOOTER_BYTES = 24
/** What an index record adds to the length of its rows. */
export const INDEX_RECORD_BYTES = RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES

const FOOTER_MAGIC = Buffer.from('ARTFINDX', 'latin1')
/** A row without its digest. */
export const ROW_BYTES = 28
/** By the number of their algorithm. */
const DIGEST_BYTES: (number | undefined)[] = []
for (const { id, bytes } of Object.values(ALGORITHMS)) DIGEST_BYTES[id] = bytes
const KIND_NAMES = new Map<number, BlobKind>(
  (['blob', 'piece', 'recipe'] as const).map(kind => [KIND_NUMBERS[kind], kind]),
)

/** The rows of a pack's index, collected while the pack is written. */
export class IndexRows {
  #rows = Buffer.allocUnsafe(64 << 10)
  #view = new DataView(this.#rows.buffer, this.#rows.byteOffset, this.#rows.length)
  #length = 0
  readonly #starts: number[] = []

  get count(): number {
    return this.#starts.length
  }

  add(record: RawHeader, offset: number): void {
    const { kind, algorithm, encoding, digest, plainLength, storedLength } = record
    const start = this.#length
    const numbers = start + 4 + digest.length
    this.#reserve(numbers + 24)
    this.#rows[start] = kind
    this.#rows[start + 1] = algorithm
    this.#rows[start + 2] = encoding
    this.#rows[start + 3] = digest.length
    this.#rows.set(digest, start + 4)
    setLength(this.#view, numbers, offset)
    setLength(this.#view, numbers + 8, plainLength)
    setLength(this.#view, numbers + 16, storedLength)
    this.#starts.push(start)
    this.#length = numbers + 24
  }

  /** As `add`, of a record whose header lies at `start` of `bytes`. */
  addEncoded(bytes: Buffer, start: number, offset: number): void {
    const digestLength = bytes[start + 7]!
    const digestEnd = start + RECORD_HEADER_BYTES + digestLength
    const row = this.#length
    const numbers = row + 4 + digestLength
    this.#reserve(numbers + 24)
    bytes.copy(this.#rows, row, start + 4, start + 8)
    bytes.copy(this.#rows, row + 4, start + RECORD_HEADER_BYTES, digestEnd)
    setLength(this.#view, numbers, offset)
    bytes.copy(this.#rows, numbers + 8, start + 8, start + 24)
    this.#starts.push(row)
    this.#length = numbers + 24
  }

  /** The index record, which starts at byte `offset` of the pack, and the footer after it. */
  encode(offset: number): Buffer {
    const body = this.#sorted()
    const header = encodeRecordHeader({
      kind: 'index',
      digest: null,
      encoding: 0,
      plainLength: body.length,
      storedLength: body.length,
    })
    const tail = Buffer.alloc(RECORD_TRAILER_BYTES + FOOTER_BYTES)
    tail.writeUInt32LE(crc32(body), 0)
    tail.writeBigUInt64LE(BigInt(offset), 4)
    tail.writeUInt32LE(this.count, 12)
    tail.writeUInt32LE(crc32(tail.subarray(4, 16)), 16)
    FOOTER_MAGIC.copy(tail, 20)
    return Buffer.concat([header, body, tail])
  }

  /** By kind, algorithm and digest bytes, then as the records lie: as `sortRecords` sorts. */
  #sorted(): Buffer {
    const rows = this.#rows
    const starts = this.#starts
    // Kind, algorithm and four bytes of the digest, which tell nearly all rows apart.
    const ranks = Float64Array.from(starts, start => {
      return rows.readUInt16BE(start) * 2 ** 32 + rows.readUInt32BE(start + 4)
    })
    const order = Uint32Array.from(ranks.keys()).sort((a, b) => {
      return ranks[a]! - ranks[b]! || compareDigests(rows, starts[a]!, starts[b]!) || a - b
    })
    const body = Buffer.allocUnsafe(this.#length)
    let length = 0
    for (const row of order) {
      const start = starts[row]!
      length += rows.copy(body, length, start, start + ROW_BYTES + rows[start + 3]!)
    }
    return body
  }

  #reserve(length: number): void {
    if (length <= this.#rows.length) return
    const rows = Buffer.allocUnsafe(this.#rows.length * 2)
    this.#rows.copy(rows)
    this.#rows = rows
    this.#view = new DataView(rows.buffer, rows.byteOffset, rows.length)
  }
}

/** Of two rows of one algorithm. */
function compareDigests(rows: Buffer, a: number, b: number): number {
  const length = rows[a + 3]!
  return rows.compare(rows, b + 4, b + 4 + length, a + 4, a + 4 + length)
}

/** Where the index record starts and how many rows it has, or null if `footer` is not sound. */
export function decodeFooter(footer: Buffer): { offset: number; count: number } | null {
  if (footer.length !== FOOTER_BYTES || !footer.subarray(16).equals(FOOTER_MAGIC)) return null
  if (footer.readUInt32LE(12) !== crc32(footer.subarray(0, 12))) return null
  return { offset: readLength(footer, 0, 0), count: footer.readUInt32LE(8) }
}

/** The rows of an index, as they are stored, and where each starts. */
export interface IndexTable {
  body: Buffer
  starts: number[]
}

/**
 * Looks through the rows of an index record that starts at byte `offset` of its pack. They must tile
 * the pack: records that touch each other, from the header to the index.
 *
 * @throws `PACK_INVALID`
 */
export function checkIndexRows(body: Buffer, offset: number): IndexTable {
  const starts: number[] = []
  let tiled = PACK_HEADER_BYTES
  for (let at = 0; at < body.length; ) {
    const width = body[at + 3] ?? 0
    const end = at + ROW_BYTES + width
    if (end > body.length) throw packError('a cut row in the index', offset)
    if (!KIND_NAMES.has(body[at]!)) throw packError(`unknown kind ${body[at]} in the index`, offset)
    if (DIGEST_BYTES[body[at + 1]!] !== width) {
      throw packError(`a digest of ${width} bytes of algorithm ${body[at + 1]}`, offset)
    }
    if (!isEncoding(body[at + 2]!)) throw packError(`unknown encoding ${body[at + 2]}`, offset)
    const start = readLength(body, end - 24, offset)
    readLength(body, end - 16, offset)
    const stored = readLength(body, end - 8, offset)
    const length = RECORD_HEADER_BYTES + width + stored + RECORD_TRAILER_BYTES
    if (start < PACK_HEADER_BYTES || start + length > offset) {
      throw packError('a row of the index points outside the records', offset)
    }
    tiled += length
    starts.push(at)
    at = end
  }
  if (tiled !== offset) throw packError('the index does not cover the pack', offset)
  return { body, starts }
}

/** What rows say that were looked through. */
export function decodeIndexRows({ body, starts }: IndexTable): PackedRecord[] {
  return starts.map(start => decodeRow(body, start))
}

/** The order of the index: by kind, algorithm and digest bytes, then as the records lie. */
export function sortRecords(records: PackedRecord[]): PackedRecord[] {
  return records
    .map(record => ({ record, rank: rankOf(record) }))
    .sort((a, b) =>
      a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : a.record.offset - b.record.offset,
    )
    .map(({ record }) => record)
}

/** One digit of the kind, one of the algorithm, and the digest in hex, which sorts as its bytes. */
function rankOf({ key }: PackedRecord): string {
  const algorithm = ALGORITHMS[algorithmOf(key.digest)].id
  return `${KIND_NUMBERS[key.kind]}${algorithm}${hexOf(key.digest)}`
}

function decodeRow(body: Buffer, start: number): PackedRecord {
  const numbers = start + 4 + body[start + 3]!
  return {
    key: {
      kind: KIND_NAMES.get(body[start]!)!,
      digest: readDigest(body[start + 1]!, body.subarray(start + 4, numbers), start),
      size: readLength(body, numbers + 8, start),
    },
    encoding: body[start + 2] as Encoding,
    offset: readLength(body, numbers, start),
    storedLength: readLength(body, numbers + 16, start),
  }
}
