import { closeSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { flushPath, syncFolder } from '../disk/publish.js'
import { ArtifactError, isArtifactError, storeError } from '../errors.js'
import { homePaths } from '../model/home.js'
import type { CollectionName } from '../model/version.js'
import type { VersionRow } from './apply-record.js'
import { isIndexWhole } from './is-index-whole.js'
import { readJournal } from './journal.js'
import {
  decodeHeader,
  encodeFrame,
  encodeHeader,
  findFrame,
  HEADER_BYTES,
  readFrame,
  segmentIndex,
} from './journal-format.js'
import { keyRange, keys } from './keys.js'
import { openDatabase, recreateDatabase } from './open-database.js'
import type { JournalRecord } from './records.js'
import type { Database } from './transaction.js'

/** Records in one frame of the new segment. */
const FRAME_RECORDS = 500

export interface LostVersion extends CollectionName {
  id: string
  number: number
}

export interface SalvageResult {
  /** The numbers of the records that are lost: first and last of each run of them, ascending. */
  lost: { first: number; last: number }[]
  /** Versions that the index knew and the journal does not; none if the index was damaged too. */
  versions: LostVersion[]
  /** The segments as they were, which nothing reads any more. */
  setAside: string[]
}

/**
 * Makes a store usable again whose journal is damaged, or ends before the last record that its
 * index knows. What verifies is written again as one new segment, with `lost` records for what does
 * not; the old segments stay beside it under other names, and the index is built again at the next
 * opening. Bytes are not touched: files of a lost version that are logged again are stored already.
 *
 * It may be repeated, also after it was cut anywhere. The store must not be open.
 *
 * @returns null when there is nothing to salvage.
 * @throws `STORE_BUSY` when a process has the store open; `STORE_UNSUPPORTED` for a journal of a
 *   later program; `STORE_FULL`, `STORE_FAILED`.
 */
export async function salvageJournal(home: string): Promise<SalvageResult | null> {
  const { catalog, journal } = homePaths(home)
  const isWhole = await isIndexWhole(catalog)
  const opened = await openDatabase(catalog)
  const db = opened ?? (await recreateDatabase(catalog))
  if (db === 'locked') {
    throw new ArtifactError('STORE_BUSY', `a process has the store ${home} open`, {
      details: { home },
    })
  }
  try {
    const { records, isDamaged } = readWhatVerifies(journal)
    const isTrusted = isWhole && opened !== undefined
    const known = isTrusted ? (((await db.get(keys.applied)) as number | undefined) ?? 0) : 0
    const last = Math.max(known, ...records.keys())
    if (!isDamaged && last === records.size) return null
    const versions = isTrusted ? await listLost(db, records) : []
    // An index without its number is built again, so that it cannot keep what is lost.
    await db.clear()
    const at = new Date().toISOString()
    const all = Array.from(
      { length: last },
      (_, index): JournalRecord => records.get(index + 1) ?? { t: 'lost', at },
    )
    return { lost: listRuns(all), versions, setAside: replaceSegments(journal, all) }
  } catch (error) {
    throw storeError(error, `salvaging the journal of ${home}`)
  } finally {
    await db.close()
  }
}

/** Every record that verifies and was not taken back by a later segment, by its number. */
function readWhatVerifies(folder: string) {
  const records = new Map<number, JournalRecord>()
  try {
    for (const { seq, record } of readJournal(folder).records) records.set(seq, record)
    return { records, isDamaged: false }
  } catch (error) {
    if (!isArtifactError(error, 'STORE_DAMAGED')) throw error
  }
  for (const path of listSegments(folder)) {
    const bytes = readFileSync(path)
    let frame = readFrame(bytes, HEADER_BYTES) ?? findFrame(bytes, 0, 1)
    const first = readFirstSeq(bytes, path) ?? frame?.seq
    if (first === undefined) continue
    for (const seq of records.keys()) if (seq >= first) records.delete(seq)
    for (let next = first; frame; ) {
      for (const [index, record] of frame.records.entries()) records.set(frame.seq + index, record)
      next = frame.seq + frame.records.length
      frame = readFrame(bytes, frame.end) ?? findFrame(bytes, frame.end, next)
    }
  }
  return { records, isDamaged: true }
}

function readFirstSeq(bytes: Buffer, path: string): number | undefined {
  try {
    return decodeHeader(bytes, path)
  } catch (error) {
    if (isArtifactError(error, 'STORE_DAMAGED')) return undefined
    throw error
  }
}

/** Oldest first. */
function listSegments(folder: string): string[] {
  return readdirSync(folder)
    .map(name => ({ name, index: segmentIndex(name) }))
    .filter(({ index }) => index !== undefined)
    .sort((a, b) => a.index! - b.index!)
    .map(({ name }) => join(folder, name))
}

async function listLost(db: Database, records: Map<number, JournalRecord>): Promise<LostVersion[]> {
  const ids = new Set<string>()
  for (const record of records.values()) if ('version' in record) ids.add(record.version.id)
  const lost: LostVersion[] = []
  for await (const value of db.values(keyRange('version'))) {
    const { entity, project, name, id, number } = value as VersionRow
    if (!ids.has(id)) lost.push({ entity, project, name, id, number })
  }
  return lost
}

function listRuns(records: JournalRecord[]): { first: number; last: number }[] {
  const runs: { first: number; last: number }[] = []
  for (const [index, { t }] of records.entries()) {
    if (t !== 'lost') continue
    const run = runs.at(-1)
    if (run?.last === index) run.last += 1
    else runs.push({ first: index + 1, last: index + 1 })
  }
  return runs
}

/**
 * A segment that begins with the first record takes back everything in those before it, so that a
 * cut between the two steps leaves a journal that can be salvaged again.
 */
function replaceSegments(folder: string, records: JournalRecord[]): string[] {
  const old = listSegments(folder)
  const index = Math.max(0, ...readdirSync(folder).map(name => segmentIndex(name) ?? 0)) + 1
  const temporary = join(folder, 'salvaged')
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeFileSync(fd, encodeHeader(1))
    for (let start = 0; start < records.length; start += FRAME_RECORDS) {
      writeFileSync(fd, encodeFrame(start + 1, records.slice(start, start + FRAME_RECORDS)))
    }
  } finally {
    closeSync(fd)
  }
  flushPath(temporary)
  renameSync(temporary, join(folder, `${index}.log`))
  syncFolder(folder)
  const setAside = old.map(path => `${path}.damaged`)
  for (const [position, path] of old.entries()) renameSync(path, setAside[position]!)
  syncFolder(folder)
  return setAside
}
