import { existsSync, rmSync } from 'node:fs'
import { Level } from 'level'
import { ArtifactError, storeError } from '../errors.js'
import { homePaths } from '../model/home.js'
import { applyRecord } from './apply-record.js'
import { indexEverything } from './index-bytes.js'
import { indexExternal } from './index-external.js'
import { Journal, type NumberedRecord } from './journal.js'
import { keys } from './keys.js'
import { LevelCatalog } from './level-catalog.js'
import { type Database, Transaction } from './transaction.js'

/** Journal records applied in one batch of a replay. */
const REPLAY_BATCH = 500

/**
 * Opens the catalog of a store, alone: LevelDB's lock says who is first.
 *
 * What the journal has beyond the index is applied. An index that is absent, does not open, or is
 * ahead of the journal is thrown away and built again from the journal and the packs.
 *
 * @returns null when another process holds the lock.
 * @throws `STORE_DAMAGED` when the journal itself is damaged; `STORE_FULL`, `STORE_FAILED`.
 */
export async function openLevelCatalog(
  home: string,
  { clock }: { clock?: () => Date } = {},
): Promise<LevelCatalog | null> {
  const paths = homePaths(home)
  const opened = await openDatabase(paths.catalog)
  if (opened === 'locked') return null
  let db = opened
  try {
    let applied = db ? await readApplied(db) : undefined
    const { journal, records } = Journal.open(paths.journal, 0)
    if (!db || applied === undefined || applied > journal.lastSeq) {
      await db?.close()
      rmSync(paths.catalog, { recursive: true, force: true })
      const fresh = await openDatabase(paths.catalog)
      if (fresh === 'locked') return null
      if (!fresh) throw new ArtifactError('STORE_FAILED', `cannot open ${paths.catalog}`)
      db = fresh
      await db.put(keys.applied, 0)
      applied = 0
    }
    const since = applied
    const tail = records.filter(({ seq }) => seq > since)
    if (tail.length > 0) await indexEverything(db, home)
    await replay(db, home, tail)
    return new LevelCatalog(home, db, journal, clock)
  } catch (error) {
    await db?.close()
    throw storeError(error, `opening the catalog of ${home}`)
  }
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
    if (existed && /corrupt|missing files|CURRENT/i.test(cause?.message ?? '')) return undefined
    throw storeError(cause ?? error, `opening ${path}`)
  }
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
        await indexExternal(db, home, record.external)
      }
      await applyRecord(txn, seq, record)
      txn.put(keys.applied, seq)
    }
    await txn.write()
  }
}
