import { randomBytes } from 'node:crypto'
import { MAX_BATCH } from '../catalog/catalog.js'
import { MAX_DELETIONS } from '../catalog/changing.js'
import { isReadOnly } from '../disk/check-writable.js'
import { isArtifactError } from '../errors.js'
import { groupByCollection } from '../model/group-by-collection.js'
import type { CollectionName } from '../model/version.js'
import type { CallOptions, Remote } from '../remote/remote.js'
import { cutRuns } from '../store/cut-runs.js'
import type { Store } from '../store/store.js'

/** A version that is here, by its id here. */
type Known = CollectionName & { id: string }

/** Takes over that a remote has deleted versions; does nothing for those that are not here. */
export async function learnDeletion({ catalog }: Store, versions: Known[]): Promise<void> {
  for (const group of groupByCollection(versions)) {
    const { entity, project, name } = group[0]!
    // That of a version which is here is known.
    const collection = { entity, project, name, type: '' }
    for (const some of cutRuns(group, { weigh: () => 1, most: MAX_DELETIONS })) {
      await catalog.delete({
        ...{ ...collection, logId: randomBytes(16).toString('hex') },
        ...{ versions: some.map(({ id }) => ({ id, number: 0 })), deleteAliases: true },
      })
    }
  }
}

/** As {@link learnDeletion}; a store that cannot be written to, or is full, learns it another time. */
export async function noteDeletion(store: Store, versions: Known[]): Promise<void> {
  if (isReadOnly(store.home)) return
  try {
    await learnDeletion(store, versions)
  } catch (error) {
    if (!isArtifactError(error, 'STORE_FULL')) throw error
  }
}

/**
 * Asks a remote which of these synced versions, of one entity, it has deleted, and notes that.
 * @returns their ids here.
 */
export async function learnDeletions(
  store: Store,
  remote: Remote,
  { versions, ...options }: { versions: Known[] } & CallOptions,
): Promise<Set<string>> {
  const deleted = new Set<string>()
  for (const some of cutRuns(versions, { weigh: () => 1, most: MAX_BATCH })) {
    const known = await store.catalog.listRemoteIds(some.map(({ id }) => id))
    const there = some.map(({ id }, index) => known[index] ?? id)
    const gone = new Set(await remote.listDeleted(some[0]!.entity, there, options))
    const rows = some.filter((_, index) => gone.has(there[index]!))
    await noteDeletion(store, rows)
    for (const { id } of rows) deleted.add(id)
  }
  return deleted
}
