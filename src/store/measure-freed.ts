import { ContentMarker } from '../catalog/content-marker.js'
import { listPages } from '../catalog/list-pages.js'
import { listStoredKeys } from './list-stored-keys.js'
import { checkAborted } from './progress.js'
import type { Store } from './store.js'
import { StoreReader } from './store-reader.js'

const DOOMED = 1
const KEPT = 2

/**
 * Bytes in packs and objects that these versions need and no other, each counted once. It reads every
 * manifest of the store, each piece at most twice.
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED` when a manifest cannot be read.
 */
export async function measureFreed(
  store: Store,
  ids: Set<string>,
  { signal }: { signal?: AbortSignal } = {},
): Promise<number> {
  const marker = new ContentMarker(new StoreReader(store, { signal }), Math.max)
  for await (const roots of listPages(after => store.catalog.listRoots(after))) {
    for (const root of roots) {
      checkAborted(signal)
      const label = ids.has(root.id) ? DOOMED : KEPT
      if (root.evicted && root.state === 'synced') marker.markManifest(root, label)
      else await marker.mark(root, label)
    }
  }
  let freed = 0
  for await (const keys of listStoredKeys(store, { signal })) {
    for (const { key, bytes } of keys) {
      if (marker.table.get(key) === DOOMED) freed += bytes
    }
  }
  return freed
}
