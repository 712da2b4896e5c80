import { closeSync, openSync } from 'node:fs'
import type { BlobKey } from '../model/blob-key.js'
import { packPath } from '../model/home.js'
import { readRecord } from '../pack/read-record.js'
import type { Location } from './catalog.js'

/** The bytes of one record of a pack, not hashed. @throws as `readRecord`, and `ENOENT`. */
export function readPacked(
  home: string,
  key: BlobKey,
  location: Location & { in: 'pack' },
): Uint8Array {
  const fd = openSync(packPath(home, location.packId), 'r')
  try {
    return readRecord(fd, { ...location, key })
  } finally {
    closeSync(fd)
  }
}
