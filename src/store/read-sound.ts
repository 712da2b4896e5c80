import { readFileSync } from 'node:fs'
import type { PlacedKey } from '../catalog/catalog.js'
import { objectPath } from '../model/home.js'
import { isStoredRight } from './check-stored.js'
import { PackFiles } from './pack-files.js'
import { blobError, isLoss } from './read-blob.js'
import type { SinkRecord } from './record-sink.js'

/** The bytes in one place as they are stored, not hashed. @throws `BLOB_MISSING`, `BLOB_DAMAGED`. */
export function readStored(
  home: string,
  { key, location }: PlacedKey,
): { bytes: Buffer; encoding: SinkRecord['encoding'] } {
  if (location.in === 'object') {
    try {
      return { bytes: readFileSync(objectPath(home, key.digest)), encoding: 0 }
    } catch (error) {
      throw blobError(error, key)
    }
  }
  const files = new PackFiles(home)
  try {
    return { bytes: files.read(key, location), encoding: location.encoding }
  } finally {
    files.close()
  }
}

/** The record in one place, verified; undefined when it is damaged or not there. */
export async function readSound(home: string, place: PlacedKey): Promise<SinkRecord | undefined> {
  const { key } = place
  try {
    const { bytes, encoding } = readStored(home, place)
    return (await isStoredRight(key, bytes, encoding)) ? { key, bytes, encoding } : undefined
  } catch (error) {
    if (isLoss(error)) return undefined
    throw error
  }
}
