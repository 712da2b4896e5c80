import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_BATCH } from '../catalog/catalog.js'
import type { Root } from '../catalog/keeping.js'
import { type ArtifactError, isArtifactError } from '../errors.js'
import { groupByCollection } from '../model/group-by-collection.js'
import { NO_NUMBER } from '../model/version.js'
import type { Remote } from '../remote/remote.js'
import { cutRuns } from '../store/cut-runs.js'
import { checkAborted } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { type SweepResult, sweepStore } from '../store/sweep-store.js'
import { learnDeletions } from './learn-deletion.js'
import { type StoreLock, takeStoreLock } from './take-store-lock.js'

/** Pause between two attempts to take the lock, in milliseconds. */
const PAUSE_MS = 100

export interface CleanOptions {
  /** Bytes that packs and objects may take. Default: only what no version needs is removed. */
  limit?: number | undefined
  /** Where versions are fetched from again. Default null: none is evicted. */
  remote?: Remote | null
  dryRun?: boolean | undefined
  signal?: AbortSignal | undefined
  /** Default: the clock of the system. */
  clock?: () => Date
}

export interface CleanResult extends SweepResult {
  /** Why the remote could not be asked what it has, so that nothing was evicted. */
  reason?: ArtifactError
}

/**
 * Sweeps a store, as the only one that does: see `sweepStore`. What is evicted for a limit are
 * versions that the remote lists just now; what is evicted can be fetched from it again.
 * @throws as `sweepStore`.
 */
export async function cleanStore(store: Store, options: CleanOptions = {}): Promise<CleanResult> {
  const { limit, remote = null, dryRun, signal, clock } = options
  const lock = await waitForLock(store.home, signal)
  let reason: ArtifactError | undefined
  const listHeld = async (synced: Root[]) => {
    try {
      return remote
        ? await listHeldVersions(store, remote, { synced, dryRun, signal })
        : new Set<string>()
    } catch (error) {
      checkAborted(signal)
      if (!isArtifactError(error)) throw error
      reason = error
      return new Set<string>()
    }
  }
  try {
    const result = await sweepStore(store, { limit, listHeld, dryRun, signal, clock })
    return { ...result, ...(reason && { reason }) }
  } finally {
    await lock.release()
  }
}

async function waitForLock(home: string, signal: AbortSignal | undefined): Promise<StoreLock> {
  for (;;) {
    checkAborted(signal)
    const lock = await takeStoreLock(home, 'clean')
    if (lock) return lock
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => checkAborted(signal))
  }
}

/** Which of these versions a remote has, by their ids here; those that it has deleted are from then on here too. */
async function listHeldVersions(
  store: Store,
  remote: Remote,
  { synced, dryRun = false, signal }: Pick<CleanOptions, 'dryRun' | 'signal'> & { synced: Root[] },
): Promise<Set<string>> {
  const held = new Set<string>()
  const { storeId } = await remote.capabilities({ signal })
  // A server is no copy of itself.
  if (storeId === store.id) return held
  for (const roots of groupByCollection(synced)) {
    const { entity, project, name } = roots[0]!
    const listed = await listIds(remote, { entity, project, name }, signal)
    const absent: Root[] = []
    for (const root of roots) {
      if (listed.has(root.remoteId ?? root.id)) held.add(root.id)
      else absent.push(root)
    }
    const parts = absent.filter(({ number }) => number === NO_NUMBER)
    for (const id of await findDeleted(remote, parts, signal)) held.add(id)
    // Bytes of what another machine deleted are needed no more.
    const versions = absent.filter(({ number }) => number !== NO_NUMBER)
    if (!dryRun) await learnDeletions(store, remote, { versions, signal })
  }
  return held
}

/** Parts, by their ids, of versions that were deleted there: nobody needs them. */
async function findDeleted(
  remote: Remote,
  parts: Root[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const found: string[] = []
  for (const some of cutRuns(parts, { weigh: () => 1, most: MAX_BATCH })) {
    const ids = some.map(({ id, remoteId = id }) => remoteId)
    const gone = new Set(await remote.listDeleted(some[0]!.entity, ids, { signal }))
    found.push(...some.filter((_, index) => gone.has(ids[index]!)).map(({ id }) => id))
  }
  return found
}

async function listIds(
  remote: Remote,
  filter: { entity: string; project: string; name: string },
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  const ids = new Set<string>()
  let after: string | undefined
  do {
    const page = await remote.listVersions(filter, after, { signal })
    for (const { id } of page.items) ids.add(id)
    after = page.next
  } while (after !== undefined)
  return ids
}
