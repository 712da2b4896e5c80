import { flushTree } from '../disk/publish.js'
import { ArtifactError, isArtifactError, storeError } from '../errors.js'
import { homePaths } from '../model/home.js'
import { applyRecord, newEpoch } from './apply-record.js'
import { indexEverything } from './index-bytes.js'
import { indexExternal } from './index-external.js'
import { isIndexWhole } from './is-index-whole.js'
import { Journal, type NumberedRecord } from './journal.js'
import { keys } from './keys.js'
import { LevelCatalog } from './level-catalog.js'
import { openDatabase, recreateDatabase } from './open-database.js'
import { packPlaceName } from './remove-places.js'
import { forgetRemoved } from './sweep.js'
import { type Database, Transaction } from './transaction.js'

/** Journal records applied in one batch of a replay. */
const REPLAY_BATCH = 500

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
 * What the journal has beyond the index is applied. An index that is absent, damaged or does not
 * open is thrown away and built again from the journal and the packs.
 *
 * @returns null when another process holds the lock.
 * @throws `STORE_DAMAGED` when the journal itself is damaged, or ends before the last record that
 *   the index knows: records get there after they were flushed; `STORE_FULL`, `STORE_FAILED`.
 */
export async function openLevelCatalog(
  home: string,
  { path = homePaths(home).catalog, onLock, clock }: LevelCatalogOptions = {},
): Promise<LevelCatalog | null> {
  const paths = homePaths(home)
  const isWhole = await isIndexWhole(path)
  let db = await openDatabase(path)
  if (db === 'locked') return null
  if (!db || !isWhole) {
    await db?.close()
    db = await recreateDatabase(path)
    if (db === 'locked') return null
  }
  try {
    await onLock?.()
    let applied = await readApplied(db)
    const { journal, records } = Journal.open(paths.journal, 0)
    if (applied !== undefined && applied > journal.lastSeq) {
      throw new ArtifactError(
        'STORE_DAMAGED',
        `${paths.journal} ends at record ${journal.lastSeq}; there were ${applied} in it`,
        { details: { path: paths.journal, record: journal.lastSeq + 1, last: applied } },
      )
    }
    if (applied === undefined) {
      await db.clear()
      await db.put(keys.applied, 0)
      await db.put(keys.epoch, newEpoch())
      applied = 0
    }
    const since = applied
    const tail = records.filter(({ seq }) => seq > since)
    if (tail.length > 0) {
      // What is indexed counts as durable, and whoever wrote it may have died before it was.
      flushTree(paths.packs)
      flushTree(paths.objects)
      await indexEverything(db, home, listRemoved(records))
      const collected = tail.flatMap(({ record }) => (record.t === 'collected' ? [record] : []))
      if (collected.length > 0) await forgetRemoved(db, home, collected)
    }
    await replay(db, home, tail)
    return new LevelCatalog(home, db, journal, clock)
  } catch (error) {
    await db.close()
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
      if ('external' in record && record.external) {
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
