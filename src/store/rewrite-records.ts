import type { PlacedKey } from '../catalog/catalog.js'
import { readSound } from './read-sound.js'
import { RecordSink } from './record-sink.js'
import type { Store } from './store.js'

/**
 * Copies records into new packs, which the catalog points to from then on: for those that lie in a
 * pack of which a rebuild of the catalog might not find them. The old packs stay as they are.
 */
export async function rewriteRecords(store: Store, places: PlacedKey[]): Promise<void> {
  const sink = new RecordSink(store)
  try {
    for (const place of places) {
      const record = await readSound(store.home, place)
      if (record) await sink.append(record)
    }
    await sink.finish()
  } finally {
    await sink.close()
  }
}
