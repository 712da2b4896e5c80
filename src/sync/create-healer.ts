import { listPages } from '../catalog/list-pages.js'
import type { ArtifactError } from '../errors.js'
import type { Remote } from '../remote/remote.js'
import type { Healer, Store } from '../store/store.js'
import { fetchAvailable, listAbsent } from './fetch-blobs.js'

/**
 * A healer that fetches from a remote what versions that are synced need.
 * @param openRemote answers null when there is none to ask.
 */
export function createHealer(store: Store, openRemote: () => Promise<Remote | null>): Healer {
  return async (keys, { signal }) => {
    const remote = await openRemote()
    if (!remote) return
    let failure: ArtifactError | undefined
    for (const entity of await listSyncedEntities(store)) {
      const absent = await listAbsent(store, keys)
      if (absent.length === 0) return
      failure = await fetchAvailable(store, remote, absent, {
        entity,
        signal,
        nameOf: ({ kind, digest }) => `the ${kind} ${digest}`,
        onBytes: () => {},
        onSaved: () => {},
      })
    }
    if (failure) throw failure
  }
}

async function listSyncedEntities(store: Store): Promise<Set<string>> {
  const entities = new Set<string>()
  const list = (after?: string) => store.catalog.listVersions({ state: 'synced' }, after)
  for await (const versions of listPages(list)) {
    for (const { entity } of versions) entities.add(entity)
  }
  return entities
}
