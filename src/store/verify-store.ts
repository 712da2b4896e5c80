import { isDeepStrictEqual } from 'node:util'
import { MAX_BATCH } from '../catalog/catalog.js'
import { readJournal } from '../catalog/journal.js'
import { isArtifactError } from '../errors.js'
import { blobKeyString } from '../model/blob-key.js'
import { homePaths, packPath } from '../model/home.js'
import { listPackRecords } from '../pack/read-pack-index.js'
import type { CheckedFile } from './check-bytes.js'
import { checkStoreFiles, type StoreCheckOptions } from './check-store-files.js'
import { listVersionIds } from './list-version-ids.js'
import { LostFinder } from './lost-finder.js'
import type { Store } from './store.js'

export interface StoreProblem {
  /**
   * `damaged`: bytes that are not what they are stored as; `missing`: needed by a version and not
   * there; `pack`: header or index are damaged, its records are not; `journal`.
   */
  problem: 'damaged' | 'missing' | 'pack' | 'journal'
  /** `KIND/DIGEST`, the path of a pack or that of a segment. */
  what: string
  message: string
}

export interface StoreVerification {
  /** ISO 8601, of the run that this one went on from, or of its own. */
  startedAt: string
  files: number
  records: number
  bytes: number
  journalRecords: number
  versions: number
  problems: StoreProblem[]
  /** What is in use and damaged. */
  damaged: CheckedFile['damaged']
  /** Packs with a damaged header or index that hold something in use. */
  unsound: string[]
}

/**
 * Hashes everything in a store again, and looks whether all that its versions need is there. It
 * changes nothing. What was moved aside before is not a problem any more.
 * @throws as `checkStoreFiles`.
 */
export async function verifyStore(
  store: Store,
  options: StoreCheckOptions = {},
): Promise<StoreVerification> {
  const journal = checkJournal(store.home)
  const check = await checkStoreFiles(store.home, options)
  const damaged = await filterUsed(store, check.damaged)
  const unsound: string[] = []
  for (const packId of check.unsound) if (await isUsed(store, packId)) unsound.push(packId)
  const finder = new LostFinder(store)
  const ids = await listVersionIds(store)
  for (const id of ids) await finder.look(id, options)
  const names = new Set(damaged.map(({ key }) => blobKeyString(key)))
  const missing = finder.lost.map(blobKeyString).filter(name => !names.has(name))
  const problems: StoreProblem[] = [
    ...journal.problems,
    ...unsound.map(packId => ({
      problem: 'pack' as const,
      what: packPath(store.home, packId),
      message: 'its header or index is damaged; its records are read without them',
    })),
    ...damaged.map(({ key, message }) => ({
      problem: 'damaged' as const,
      what: blobKeyString(key),
      message,
    })),
    ...missing.map(what => ({ problem: 'missing' as const, what, message: 'it is not there' })),
  ]
  const { startedAt, files, records, bytes } = check
  const { journalRecords } = journal
  return {
    startedAt,
    files,
    records,
    bytes,
    journalRecords,
    versions: ids.length,
    problems,
    damaged,
    unsound,
  }
}

function checkJournal(home: string): { journalRecords: number; problems: StoreProblem[] } {
  try {
    return { journalRecords: readJournal(homePaths(home).journal).records.length, problems: [] }
  } catch (error) {
    if (!isArtifactError(error, 'STORE_DAMAGED')) throw error
    const what = String(error.details.path)
    return { journalRecords: 0, problems: [{ problem: 'journal', what, message: error.message }] }
  }
}

/** Objects, and those records of packs that the catalog points to. */
async function filterUsed(
  store: Store,
  damaged: CheckedFile['damaged'],
): Promise<CheckedFile['damaged']> {
  const used: CheckedFile['damaged'] = []
  for (let start = 0; start < damaged.length; start += MAX_BATCH) {
    const some = damaged.slice(start, start + MAX_BATCH)
    const held = await store.catalog.locate(some.map(({ key }) => key))
    some.forEach((item, index) => {
      const isHeld = isDeepStrictEqual(held[index], item.location)
      if (isHeld || item.location.in === 'object') used.push(item)
    })
  }
  return used
}

async function isUsed(store: Store, packId: string): Promise<boolean> {
  const { records } = listPackRecords(packPath(store.home, packId))
  for (let start = 0; start < records.length; start += MAX_BATCH) {
    const some = records.slice(start, start + MAX_BATCH)
    const held = await store.catalog.locate(some.map(({ key }) => key))
    if (held.some(place => place?.in === 'pack' && place.packId === packId)) return true
  }
  return false
}
