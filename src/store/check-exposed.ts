import { existsSync } from 'node:fs'
import type { BlobKey } from '../model/blob-key.js'
import type { Digest } from '../model/digest.js'
import { homePaths } from '../model/home.js'
import { quarantine } from './quarantine.js'
import type { Store } from './store.js'
import { TreePool } from './tree-pool.js'

/**
 * Hashes the exposed objects of a store that changed since they were last hashed, and moves aside
 * those that are damaged, so that nothing is logged that relies on bytes which were edited in
 * place. Cheap where nothing is exposed.
 *
 * @returns what is not here any more.
 */
export async function checkExposed(store: Store): Promise<BlobKey[]> {
  if (!existsSync(homePaths(store.home).exposed)) return []
  const removed: BlobKey[] = []
  for (const digest of await findDamaged(store)) {
    const [location] = await store.catalog.locate([{ kind: 'blob', digest }])
    // Of a file that was edited, the size says nothing: the catalog knows what it was.
    const key = location && { kind: 'blob' as const, digest, size: location.size }
    if (key && location.in === 'object')
      removed.push(...(await quarantine(store, [{ key, location }])))
  }
  return removed
}

async function findDamaged(store: Store): Promise<Digest[]> {
  const pool = new TreePool(store.home, store.home)
  try {
    return await pool.run<Digest[]>({ do: 'findDamaged' })
  } finally {
    await pool.close()
  }
}
