import { MAX_BATCH, type PlacedKey } from '../catalog/catalog.js'
import { systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { packPath } from '../model/home.js'
import type { PackedRecord } from '../pack/format.js'
import { listPackRecords } from '../pack/read-pack-index.js'
import { isStoredRight } from './check-stored.js'
import { PackFiles } from './pack-files.js'
import { isLoss } from './read-blob.js'
import { RecordSink } from './record-sink.js'
import type { Store } from './store.js'

/**
 * Copies what is needed of packs into new ones, to which the catalog points from then on.
 * @returns the packs that hold nothing more that is needed. A pack with damage in what is needed is
 *   not among them.
 */
export async function rewritePacks(
  store: Store,
  packs: { packId: string }[],
  isNeeded: (key: BlobKey) => boolean,
): Promise<string[]> {
  const sink = new RecordSink(store)
  const files = new PackFiles(store.home)
  const copied: string[] = []
  try {
    for (const { packId } of packs) {
      const places = await listNeeded(store, packId, isNeeded)
      if (places && (await copyRecords(places, { files, sink }))) copied.push(packId)
    }
    await sink.finish()
  } finally {
    files.close()
    await sink.close()
  }
  return copied
}

/** In the order in which they lie; undefined for a pack that is gone or does not tell all. */
async function listNeeded(
  { home, catalog }: Store,
  packId: string,
  isNeeded: (key: BlobKey) => boolean,
): Promise<PlacedKey[] | undefined> {
  const list = listRecords(packPath(home, packId))
  if (!list?.complete) return undefined
  const needed = list.records.filter(({ key }) => isNeeded(key))
  needed.sort((a, b) => a.offset - b.offset)
  const places: PlacedKey[] = []
  for (let start = 0; start < needed.length; start += MAX_BATCH) {
    const some = needed.slice(start, start + MAX_BATCH)
    const located = await catalog.locate(some.map(({ key }) => key))
    for (const [index, { key, offset }] of some.entries()) {
      const location = located[index]
      const isHere =
        location?.in === 'pack' && location.packId === packId && location.offset === offset
      if (isHere) places.push({ key, location })
    }
  }
  return places
}

function listRecords(path: string): { records: PackedRecord[]; complete: boolean } | undefined {
  try {
    return listPackRecords(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** @returns whether all were whole. */
async function copyRecords(
  places: PlacedKey[],
  { files, sink }: { files: PackFiles; sink: RecordSink },
): Promise<boolean> {
  for (const { key, location } of places) {
    if (location.in !== 'pack') return false
    const bytes = readRecord(files, key, location)
    if (!bytes || !(await isStoredRight(key, bytes, location.encoding))) return false
    await sink.append({ key, bytes, encoding: location.encoding })
  }
  return true
}

function readRecord(files: PackFiles, key: BlobKey, place: PlacedKey['location'] & { in: 'pack' }) {
  try {
    return files.read(key, place)
  } catch (error) {
    if (isLoss(error)) return undefined
    throw error
  }
}
