import { checkWritable } from '../disk/check-writable.js'
import type { ArtifactError } from '../errors.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { type BlobUse, findUses } from './find-uses.js'
import { listVersionIds } from './list-version-ids.js'
import { locateBlobs } from './locate-blobs.js'
import { LostFinder } from './lost-finder.js'
import type { WorkOptions } from './progress.js'
import { quarantine, quarantineKeys } from './quarantine.js'
import { isLoss } from './read-blob.js'
import { recoverBlobs } from './recover-blobs.js'
import { rewriteRecords } from './rewrite-records.js'
import type { Store } from './store.js'
import { verifyInStore } from './verify.js'
import { type StoreProblem, verifyStore } from './verify-store.js'

/** Blobs that are recovered in one step. */
const KEYS_A_STEP = 1000

/** How often it is looked for what is missing: a disk that errs at random must not go on for ever. */
const PASSES = 5

export interface Repair {
  versions: number
  /** Blobs and pieces that were damaged or missing and are here again. */
  recovered: number
  /** What cannot be had any more, with everything that needs it. */
  lost: (BlobKey & { neededBy: BlobUse[] })[]
  /** Why some of it could not be fetched, where something failed. */
  reason?: ArtifactError
  /** Damage of the journal, which is not mended here. */
  journal: StoreProblem[]
}

export interface RepairOptions extends WorkOptions {
  /** Ids of the versions to repair. Default: everything in the store. */
  versions?: string[]
}

/**
 * Hashes the store, or what some of its versions need, moves aside what is damaged, and brings in
 * again what is missing: from a file outside that was added as immutable and is unchanged, and
 * through the store's healer. It may be repeated, and cut at any time.
 * @throws `STORE_READ_ONLY`; `STORE_FAILED` when something cannot be read at all; `INTERRUPTED`.
 */
export async function repairStore(store: Store, options: RepairOptions = {}): Promise<Repair> {
  checkWritable(store.home)
  const ids = options.versions ?? (await listVersionIds(store))
  const repair: Repair = { versions: ids.length, recovered: 0, lost: [], journal: [] }
  if (options.versions) repair.recovered += await checkVersions(store, ids, options)
  else repair.journal = await checkEverything(store, options)
  const lost = await recoverLost(store, ids, { ...options, repair })
  const uses = await findUses(store, lost, { ...options, limit: Number.POSITIVE_INFINITY })
  repair.lost = lost.map(key => ({ ...key, neededBy: uses.get(blobKeyString(key)) ?? [] }))
  return repair
}

/** @returns the damage of the journal. */
async function checkEverything(store: Store, options: WorkOptions): Promise<StoreProblem[]> {
  const { problems, ...found } = await verifyStore(store, { ...options, restart: true })
  await quarantine(store, found.damaged)
  await quarantineKeys(store, found.missing)
  await rewriteRecords(store, found.unsound)
  return problems.filter(({ problem }) => problem === 'journal')
}

/** @returns how many blobs were recovered. */
async function checkVersions(store: Store, ids: string[], options: WorkOptions): Promise<number> {
  let recovered = 0
  for (const id of ids) {
    const version = await store.catalog.getVersion(id)
    try {
      if (version) recovered += (await verifyInStore(store, version, options)).recovered ?? 0
    } catch (error) {
      // Of a piece: what it lists is not known.
      if (!isLoss(error)) throw error
    }
  }
  return recovered
}

/** @returns what cannot be had. A piece that is here again may list more that is missing. */
async function recoverLost(
  store: Store,
  ids: string[],
  { repair, signal }: WorkOptions & { repair: Repair },
): Promise<BlobKey[]> {
  for (let pass = 1; ; pass += 1) {
    const finder = new LostFinder(store)
    for (const id of ids) await finder.look(id, { signal })
    let recovered = await copyOutside(store, finder.outside)
    for (let start = 0; start < finder.lost.length; start += KEYS_A_STEP) {
      const keys = finder.lost.slice(start, start + KEYS_A_STEP)
      const { lost, reason } = await recoverBlobs(store, keys, { signal })
      recovered += keys.length - lost.length
      if (reason) repair.reason = reason
    }
    if (recovered === 0 || pass === PASSES) return finder.lost
    repair.recovered += recovered
  }
}

/** Stores what lies outside only. @returns how many of the blobs. */
async function copyOutside(store: Store, keys: BlobKey[]): Promise<number> {
  const places = await locateBlobs(store, keys)
  const ingest = store.ingest()
  let copied = 0
  for (const [index, { digest }] of keys.entries()) {
    const place = places[index]
    if (place?.in !== 'external') continue
    const stored = await ingest.addFile(place.file, 'mutable')
    if (stored.digest === digest) copied += 1
  }
  if (keys.length > 0) await ingest.finish()
  return copied
}
