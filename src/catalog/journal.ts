import { readdirSync, readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { ensureFolder, syncFolder } from '../disk/publish.js'
import { writeWhole } from '../disk/write-whole.js'
import { ArtifactError, storeError } from '../errors.js'
import type { JournalRecord } from './records.js'

/** Segment header: magic 8, format version u16, reserved u16, first number u64, crc32 u32. */
const MAGIC = Buffer.from('ARTFJRNL', 'latin1')
const FORMAT_VERSION = 1
const HEADER_BYTES = 24
/**
 * Frame: payload length u32, crc32 u32 over the rest, number of its first record u64, payload (a
 * JSON array of records). One flush writes one frame, so that a torn write never leaves a good
 * frame behind a bad one: where that is seen, flushed bytes were damaged.
 */
const FRAME_BYTES = 16
/** A new segment is begun past this size, so that a reader never loads more at once. */
const SEGMENT_BYTES = 64 * 1024 * 1024

export interface NumberedRecord {
  seq: number
  record: JournalRecord
}

interface Segment {
  path: string
  firstSeq: number
  records: NumberedRecord[]
}

/**
 * The append-only truth of a store: numbered, checksummed records in `journal/<n>.log`.
 *
 * One process appends at a time (the host). A record counts once it is flushed. After a failed
 * write or flush, and after a torn tail, writing goes on in a new segment and never in that file
 * again; a segment's header says at which number it begins, and whatever older segments hold at
 * or past that number never happened.
 */
export class Journal {
  readonly #folder: string
  #handle: FileHandle | undefined
  #nextIndex: number
  #position = 0
  lastSeq: number

  private constructor(folder: string, nextIndex: number, lastSeq: number) {
    this.#folder = folder
    this.#nextIndex = nextIndex
    this.lastSeq = lastSeq
  }

  /**
   * Reads every record after `afterSeq` and opens the journal for appending.
   * @throws `STORE_DAMAGED`, naming file and record, when a record before the tail does not
   *   verify; `STORE_UNSUPPORTED` for a format of a later program.
   */
  static open(folder: string, afterSeq: number): { journal: Journal; records: NumberedRecord[] } {
    const { records, lastSeq, nextIndex } = readJournal(folder)
    const journal = new Journal(folder, nextIndex, lastSeq)
    return { journal, records: records.filter(({ seq }) => seq > afterSeq) }
  }

  /** Appends records and flushes once. @returns the number of the last. */
  async append(records: JournalRecord[]): Promise<number> {
    const bytes = encodeFrame(this.lastSeq + 1, records)
    try {
      const handle = await this.#segment()
      await writeWhole(handle, bytes, this.#position)
      await handle.datasync()
    } catch (error) {
      await this.#abandonSegment()
      throw storeError(error, 'writing the journal')
    }
    this.#position += bytes.length
    this.lastSeq += records.length
    return this.lastSeq
  }

  async close(): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
  }

  async #segment(): Promise<FileHandle> {
    if (this.#handle && this.#position < SEGMENT_BYTES) return this.#handle
    await this.close()
    const path = join(this.#folder, `${this.#nextIndex}.log`)
    this.#nextIndex += 1
    this.#handle = await open(path, 'wx', 0o600)
    const header = Buffer.alloc(HEADER_BYTES)
    MAGIC.copy(header)
    header.writeUInt16LE(FORMAT_VERSION, 8)
    header.writeBigUInt64LE(BigInt(this.lastSeq + 1), 12)
    header.writeUInt32LE(crc32(header.subarray(0, 20)), 20)
    await writeWhole(this.#handle, header, 0)
    this.#position = HEADER_BYTES
    syncFolder(this.#folder)
    return this.#handle
  }

  async #abandonSegment(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    // The failure of the write is what the caller hears of; a failing close adds nothing to it.
    await handle?.close().catch(() => {})
  }
}

/** Reads a whole journal without opening it for writing. */
export function readJournal(folder: string): {
  records: NumberedRecord[]
  lastSeq: number
  nextIndex: number
} {
  ensureFolder(folder)
  const indexes = readdirSync(folder)
    .map(name => /^([0-9]{1,15})\.log$/.exec(name)?.[1])
    .filter(name => name !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
  const segments: Segment[] = []
  for (const index of indexes) {
    const segment = readSegment(join(folder, `${index}.log`))
    if (segment) segments.push(segment)
  }
  const records: NumberedRecord[] = []
  for (const segment of segments) {
    while (records.length > 0 && records.at(-1)!.seq >= segment.firstSeq) records.pop()
    const expected = (records.at(-1)?.seq ?? 0) + 1
    if (segment.firstSeq !== expected) {
      throw new ArtifactError(
        'STORE_DAMAGED',
        `the journal lacks records ${expected} to ${segment.firstSeq - 1}, before ${segment.path}`,
        { details: { path: segment.path, record: expected } },
      )
    }
    for (const record of segment.records) records.push(record)
  }
  return {
    records,
    lastSeq: records.at(-1)?.seq ?? 0,
    nextIndex: (indexes.at(-1) ?? 0) + 1,
  }
}

function encodeFrame(firstSeq: number, records: JournalRecord[]): Buffer {
  const payload = Buffer.from(JSON.stringify(records), 'utf8')
  const frame = Buffer.alloc(FRAME_BYTES + payload.length)
  frame.writeUInt32LE(payload.length, 0)
  frame.writeBigUInt64LE(BigInt(firstSeq), 8)
  payload.copy(frame, FRAME_BYTES)
  frame.writeUInt32LE(crc32(frame.subarray(8)), 4)
  return frame
}

/** Undefined for a segment whose header never reached the disk: nothing in it was committed. */
function readSegment(path: string): Segment | undefined {
  const bytes = readFileSync(path)
  if (bytes.length < HEADER_BYTES || crc32(bytes.subarray(0, 20)) !== bytes.readUInt32LE(20)) {
    if (bytes.length <= HEADER_BYTES || bytes.every(byte => byte === 0)) return undefined
    throw damaged(path, 0, 'its header does not verify')
  }
  if (!bytes.subarray(0, 8).equals(MAGIC)) throw damaged(path, 0, 'it is not a journal')
  const version = bytes.readUInt16LE(8)
  if (version !== FORMAT_VERSION) {
    throw new ArtifactError('STORE_UNSUPPORTED', `${path} has journal format ${version}`, {
      details: { path, version },
    })
  }
  const firstSeq = Number(bytes.readBigUInt64LE(12))
  const records: NumberedRecord[] = []
  let offset = HEADER_BYTES
  while (offset + FRAME_BYTES <= bytes.length) {
    const frame = readFrame(bytes, offset)
    if (frame?.seq !== firstSeq + records.length) break
    for (const record of frame.records) records.push({ seq: firstSeq + records.length, record })
    offset = frame.end
  }
  const damagedSeq = firstSeq + records.length
  if (findFrameAfter(bytes, offset, damagedSeq)) {
    throw damaged(path, damagedSeq, `record ${damagedSeq} does not verify, and later ones do`)
  }
  return { path, firstSeq, records }
}

function readFrame(bytes: Buffer, offset: number) {
  const length = bytes.readUInt32LE(offset)
  const end = offset + FRAME_BYTES + length
  if (end > bytes.length) return undefined
  if (crc32(bytes.subarray(offset + 8, end)) !== bytes.readUInt32LE(offset + 4)) return undefined
  const seq = Number(bytes.readBigUInt64LE(offset + 8))
  const records = JSON.parse(bytes.toString('utf8', offset + FRAME_BYTES, end)) as JournalRecord[]
  return { seq, records, end }
}

/** A torn tail has nothing good after it; damage in the middle has. */
function findFrameAfter(bytes: Buffer, from: number, seq: number): boolean {
  for (let offset = from + 1; offset + FRAME_BYTES < bytes.length; offset += 1) {
    const length = bytes.readUInt32LE(offset)
    if (length < 2 || offset + FRAME_BYTES + length > bytes.length) continue
    const found = bytes.readBigUInt64LE(offset + 8)
    if (found <= BigInt(seq) || found > BigInt(seq + 1_000_000)) continue
    if (readFrame(bytes, offset)) return true
  }
  return false
}

function damaged(path: string, record: number, what: string): ArtifactError {
  return new ArtifactError('STORE_DAMAGED', `the journal is damaged: ${path}: ${what}`, {
    details: { path, record },
  })
}
