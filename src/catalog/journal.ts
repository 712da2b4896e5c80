import { readdirSync, readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ensureFolder, flushPath } from '../disk/publish.js'
import { writeWhole } from '../disk/write-whole.js'
import { storeError } from '../errors.js'
import {
  decodeHeader,
  encodeFrame,
  encodeHeader,
  findFrame,
  HEADER_BYTES,
  journalDamaged,
  readFrame,
  segmentIndex,
} from './journal-format.js'
import type { JournalRecord } from './records.js'

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
 * write or flush, and after a torn tail, writing goes on in a new segment, and that file is cut to
 * what was flushed and otherwise let alone; a segment's header says at which number it begins, and
 * whatever older segments hold at or past that number never happened.
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
   * Reads every record after `afterSeq` and opens the journal for appending. What it reads is
   * durable then: whoever wrote the last records may have died before it flushed them.
   * @throws `STORE_DAMAGED`, naming file and record, when a record before the tail does not
   *   verify; `STORE_UNSUPPORTED` for a format of a later program.
   */
  static open(folder: string, afterSeq: number): { journal: Journal; records: NumberedRecord[] } {
    const { records, lastSeq, nextIndex, lastPath } = readJournal(folder)
    try {
      for (const path of [lastPath, folder, dirname(folder)]) if (path) flushPath(path)
    } catch (error) {
      throw storeError(error, `flushing ${folder}`)
    }
    const journal = new Journal(folder, nextIndex, lastSeq)
    return { journal, records: records.filter(({ seq }) => seq > afterSeq) }
  }

  /** Appends records and flushes once. @returns the number of the last. */
  async append(records: JournalRecord[]): Promise<number> {
    const frame = encodeFrame(this.lastSeq + 1, records)
    try {
      const isNew = await this.#takeSegment()
      const bytes = isNew ? Buffer.concat([encodeHeader(this.lastSeq + 1), frame]) : frame
      await writeWhole(this.#handle!, bytes, this.#position)
      await this.#handle!.datasync()
      if (isNew) flushPath(this.#folder)
      this.#position += bytes.length
    } catch (error) {
      await this.#abandonSegment()
      throw storeError(error, 'writing the journal')
    }
    this.lastSeq += records.length
    return this.lastSeq
  }

  async close(): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
  }

  /** @returns whether the segment is new, and wants a header. */
  async #takeSegment(): Promise<boolean> {
    if (this.#handle && this.#position < SEGMENT_BYTES) return false
    await this.close()
    const path = join(this.#folder, `${this.#nextIndex}.log`)
    this.#nextIndex += 1
    this.#handle = await open(path, 'wx', 0o600)
    this.#position = 0
    return true
  }

  /** Takes back what was not flushed: nobody may find it and believe that it is durable. */
  async #abandonSegment(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    // The failure of the write is what the caller hears of; failures here add nothing to it.
    await handle?.truncate(this.#position).catch(() => {})
    await handle?.close().catch(() => {})
  }
}

/** Reads a whole journal without opening it for writing. */
export function readJournal(folder: string): {
  records: NumberedRecord[]
  lastSeq: number
  nextIndex: number
  /** The newest segment with records in it. */
  lastPath: string | undefined
} {
  ensureFolder(folder)
  const indexes = readdirSync(folder)
    .map(segmentIndex)
    .filter(index => index !== undefined)
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
      const lacks = `records ${expected} to ${segment.firstSeq - 1} are missing before it`
      throw journalDamaged(segment.path, expected, lacks)
    }
    for (const record of segment.records) records.push(record)
  }
  return {
    records,
    lastSeq: records.at(-1)?.seq ?? 0,
    nextIndex: (indexes.at(-1) ?? 0) + 1,
    lastPath: segments.findLast(segment => segment.records.length > 0)?.path,
  }
}

/**
 * Undefined for a segment whose header never reached the disk: it shares a flush with the first
 * frame, so that nothing in it was committed, unless there is a good frame.
 */
function readSegment(path: string): Segment | undefined {
  const bytes = readFileSync(path)
  const firstSeq = decodeHeader(bytes, path)
  if (firstSeq === undefined) {
    if (!findFrame(bytes, 0, 1)) return undefined
    throw journalDamaged(path, 0, 'its header does not verify, and its records do')
  }
  const records: NumberedRecord[] = []
  let offset = HEADER_BYTES
  for (;;) {
    const frame = readFrame(bytes, offset)
    if (frame?.seq !== firstSeq + records.length) break
    for (const record of frame.records) records.push({ seq: firstSeq + records.length, record })
    offset = frame.end
  }
  const next = firstSeq + records.length
  // A torn tail has nothing good after it; damage in the middle has.
  if (findFrame(bytes, offset, next)) {
    throw journalDamaged(path, next, `record ${next} does not verify, and later ones do`)
  }
  return { path, firstSeq, records }
}
