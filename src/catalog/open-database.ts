import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Level } from 'level'
import { ArtifactError, storeError } from '../errors.js'
import { pinBinding } from './pin-binding.js'
import type { Database } from './transaction.js'

/** Undefined for a database that does not open; what it held is in the journal. */
export async function openDatabase(path: string): Promise<Database | 'locked' | undefined> {
  pinBinding()
  const existed = existsSync(path)
  const db: Database = new Level(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'json',
    // See `isIndexWhole`.
    compression: false,
  })
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

/**
 * Begins a database anew, whatever lies in its folder. Without CURRENT, LevelDB makes a new one under
 * its lock and removes the tables of the old; what it takes in of old logs is cleared. Its own
 * `destroy` is of no use here: it removes the lock too, after it gave it back, and then two
 * processes can hold one each.
 */
export async function recreateDatabase(path: string): Promise<Database | 'locked'> {
  rmSync(join(path, 'CURRENT'), { force: true })
  const db = await openDatabase(path)
  if (!db) throw new ArtifactError('STORE_FAILED', `cannot open ${path}`)
  if (db !== 'locked') await db.clear()
  return db
}
