import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Level } from 'level'
import { ArtifactError, isArtifactError, storeError, systemCode } from '../errors.js'
import { homePaths } from '../model/home.js'
import { applyRecord, newEpoch } from './apply-record.js'
import { indexEverything } from './index-bytes.js'
import { indexExternal } from './index-external.js'
import { Journal, type NumberedRecord } from './journal.js'
import { keys } from './keys.js'
import { LevelCatalog } from './level-catalog.js'
import { packPlaceName } from './remove-places.js'
import { type Database, Transaction } from './transaction.js'

/** Journal records applied in one batch of a replay. */
const REPLAY_BATCH = 500

/** What a recovering LevelDB writes into its own log when it gives up damaged writes. */
const DROPPED = /ignoring error/i

// The types of `level` leave out what only its Node part has.
const { destroy } = Level as unknown as { destroy(location: string): Promise<void> }

export interface LevelCatalogOptions {
  /** Where the index lies. Default: in the store. */
  path?: string
  /** Called when LevelDB's lock is held, before what may take long: a replay, a rebuild. */
  onLock?: () => Promise<void>
  clock?: () => Date
}

/**
 * Opens the catalog of a store, alone: LevelDB's lock says who is first.
 *
 * What the journal has beyond the index is applied. An index that is absent, does not open, lost
 * writes or is ahead of the journal is thrown away and built again from the journal and the packs.
 *
 * @returns null when another process holds the lock.
 * @throws `STORE_DAMAGED` when the journal itself is damaged; `STORE_FULL`, `STORE_FAILED`.
 */
export async function openLevelCatalog(
  home: string,
  { path = homePaths(home).catalog, onLock, clock }: LevelCatalogOptions = {},
): Promise<LevelCatalog | null> {
  // Without it LevelDB starts anew and yet takes in log files that are left of an older index.
  const isWhole = existsSync(join(path, 'CURRENT'))
  const opened = await openDatabase(path)
  if (opened === 'locked') return null
  let db = opened
  try {
    await onLock?.()
    const isSound = db !== undefined && isWhole && !hasDroppedWrites(path)
    let applied = db && isSound ? await readApplied(db) : undefined
    const { journal, records } = Journal.open(homePaths(home).journal, 0)
    if (!db || applied === undefined || applied > journal.lastSeq) {
      await db?.close()
      db = undefined
      const fresh = await recreateDatabase(path)
      if (fresh === 'locked') return null
      db = fresh
      await db.put(keys.applied, 0)
      await db.put(keys.epoch, newEpoch())
      applied = 0
    }
    const since = applied
    const tail = records.filter(({ seq }) => seq > since)
    if (tail.length > 0) await indexEverything(db, home, listRemoved(records))
    await replay(db, home, tail)
    return new LevelCatalog(home, db, journal, clock)
  } catch (error) {
    await db?.close()
    throw storeError(error, `opening the catalog of ${home}`)
  }
}

/** Records of packs that were found damaged or gone, at any time. */
function listRemoved(records: NumberedRecord[]): Set<string> {
  const removed = new Set<string>()
  for (const { record } of records) {
    if (record.t !== 'removed') continue
    for (const { location } of record.places) {
      if (location.in === 'pack') removed.add(packPlaceName(location))
    }
  }
  return removed
}

/** Undefined for a database that does not open; what it held is in the journal. */
async function openDatabase(path: string): Promise<Database | 'locked' | undefined> {
  const existed = existsSync(path)
  const db: Database = new Level(path, { keyEncoding: 'utf8', valueEncoding: 'json' })
  try {
    await db.open()
    return db
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
    if (cause?.code === 'LEVEL_LOCKED') return 'locked'
    if (existed && cause?.code === 'LEVEL_CORRUPTION') return undefined
    if (existed && /corrupt|missing files|no such file|CURRENT/i.test(cause?.message ?? ''))
      return undefined
    throw storeError(cause ?? error, `opening ${path}`)
  }
}

/** LevelDB removes its files under its own lock: those of another process are never taken away. */
async function recreateDatabase(path: string): Promise<Database | 'locked'> {
  try {
    await destroy(path)
  } catch (error) {
    if (systemCode(error) === 'LEVEL_LOCKED') return 'locked'
    throw error
  }
  const db = await openDatabase(path)
  if (!db) throw new ArtifactError('STORE_FAILED', `cannot open ${path}`)
  return db
}

/** LevelDB skips what does not verify in its write-ahead log, says so only there, and goes on. */
function hasDroppedWrites(path: string): boolean {
  return DROPPED.test(readFileSync(join(path, 'LOG'), 'utf8'))
}

async function readApplied(db: Database): Promise<number | undefined> {
  try {
    const applied = await db.get(keys.applied)
    return typeof applied === 'number' ? applied : undefined
  } catch {
    // An index that cannot be read is rebuilt, whatever the reason.
    return undefined
  }
}

async function replay(db: Database, home: string, records: NumberedRecord[]): Promise<void> {
  for (let start = 0; start < records.length; start += REPLAY_BATCH) {
    const txn = new Transaction(db)
    for (const { seq, record } of records.slice(start, start + REPLAY_BATCH)) {
      if (record.t === 'version' && record.external) {
        await indexExternal(db, home, record.external).catch(error => {
          // What a damaged list names is not found any more, and the store can be opened.
          if (!isArtifactError(error, 'BLOB_DAMAGED')) throw error
        })
      }
      await applyRecord(txn, seq, record, home)
      txn.put(keys.applied, seq)
    }
    await txn.write()
  }
}
