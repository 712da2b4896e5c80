import { existsSync } from 'node:fs'
import { Level } from 'level'
import { ArtifactError, storeError, systemCode } from '../errors.js'
import type { Database } from './transaction.js'

// The types of `level` leave out what only its Node part has.
const { destroy } = Level as unknown as { destroy(location: string): Promise<void> }

/** Undefined for a database that does not open; what it held is in the journal. */
export async function openDatabase(path: string): Promise<Database | 'locked' | undefined> {
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

/** LevelDB removes its files under its own lock: those of another process are never taken away. */
export async function recreateDatabase(path: string): Promise<Database | 'locked'> {
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
