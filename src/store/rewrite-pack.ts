import { isDeepStrictEqual } from 'node:util'
import { MAX_BATCH, type PlacedKey } from '../catalog/catalog.js'
import { createHasher, hashBytes } from '../hash/hasher.js'
import { algorithmOf } from '../model/digest.js'
import { packPath } from '../model/home.js'
import { listPackRecords } from '../pack/read-pack-index.js'
import { isLoss, readBlob } from './read-blob.js'
import { RecordSink } from './record-sink.js'
import type { Store } from './store.js'

/**
 * Copies what a pack with a damaged header or index holds, and the catalog has nowhere else, into
 * new packs, so that it does not depend on that one. The old pack stays. Records that are damaged
 * themselves are left where they are.
 */
export async function rewritePack(store: Store, packId: string): Promise<void> {
  const { records } = listPackRecords(packPath(store.home, packId))
  const sink = new RecordSink(store)
  try {
    for (let start = 0; start < records.length; start += MAX_BATCH) {
      const some = records.slice(start, start + MAX_BATCH).map(
        ({ key, ...place }): PlacedKey => ({
          key,
          location: { in: 'pack', packId, ...place, size: key.size },
        }),
      )
      const held = await store.catalog.locate(some.map(({ key }) => key))
      for (const [index, { key, location }] of some.entries()) {
        if (!isDeepStrictEqual(held[index], location)) continue
        const bytes = await readSound(store, { key, location })
        if (bytes) await sink.append(key, bytes)
      }
    }
    await sink.finish()
  } finally {
    await sink.close()
  }
}

async function readSound(
  { home }: Store,
  { key, location }: PlacedKey,
): Promise<Uint8Array | undefined> {
  try {
    const bytes = readBlob(home, key, location)
    const hasher = await createHasher(algorithmOf(key.digest))
    return hashBytes(hasher, bytes) === key.digest ? bytes : undefined
  } catch (error) {
    if (isLoss(error)) return undefined
    throw error
  }
}
