import { isDeepStrictEqual } from 'node:util'
import { MAX_BATCH, type PlacedKey } from '../catalog/catalog.js'
import { readJournal } from '../catalog/journal.js'
import { listPages } from '../catalog/list-pages.js'
import { isArtifactError } from '../errors.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { homePaths, packPath } from '../model/home.js'
import type { CheckedFile } from './check-bytes.js'
import { checkStoreFiles, forgetStoreCheck, type StoreCheckOptions } from './check-store-files.js'
import { listVersionIds } from './list-version-ids.js'
import { LostFinder } from './lost-finder.js'
import { readSound } from './read-sound.js'
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

type Damage = CheckedFile['damaged'][number]

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
  damaged: Damage[]
  /** What is needed and cannot be read where the catalog has it, or is nowhere. */
  missing: BlobKey[]
  /** What is in use and whole, in packs with a damaged header or index. */
  unsound: PlacedKey[]
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
  const packs = await readUnsound(store, check.unsound)
  const damaged = mergeDamage(await filterUsed(store, check.damaged), packs.damaged)
  const finder = new LostFinder(store)
  const ids = await listVersionIds(store)
  for (const id of ids) await finder.look(id, options)
  forgetStoreCheck(store.home)
  const names = new Set(damaged.map(({ key }) => blobKeyString(key)))
  const missing = finder.lost.map(blobKeyString).filter(name => !names.has(name))
  const problems: StoreProblem[] = [
    ...journal.problems,
    ...[...listPacks(packs.whole)].map(packId => ({
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
  return {
    ...{ startedAt, files, records, bytes },
    journalRecords: journal.journalRecords,
    versions: ids.length,
    problems,
    damaged,
    missing: finder.lost,
    unsound: packs.whole,
  }
}

function listPacks(places: PlacedKey[]): Set<string> {
  return new Set(places.flatMap(({ location }) => (location.in === 'pack' ? location.packId : [])))
}

/** What the catalog has in packs that may not list all of it. */
async function readUnsound(
  store: Store,
  packIds: string[],
): Promise<{ whole: PlacedKey[]; damaged: Damage[] }> {
  const whole: PlacedKey[] = []
  const damaged: Damage[] = []
  for (const packId of packIds) {
    for await (const places of listPages(after => store.catalog.listPacked(packId, after))) {
      for (const place of places) {
        const isWhole = await readSound(store.home, place)
        const { kind, digest } = place.key
        if (isWhole) whole.push(place)
        else damaged.push({ ...place, message: `the ${kind} ${digest} is damaged` })
      }
    }
  }
  return { whole, damaged }
}

function mergeDamage(first: Damage[], second: Damage[]): Damage[] {
  const names = new Set(first.map(({ key }) => blobKeyString(key)))
  return [...first, ...second.filter(({ key }) => !names.has(blobKeyString(key)))]
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
async function filterUsed(store: Store, damaged: Damage[]): Promise<Damage[]> {
  const used: Damage[] = []
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
