import { closeSync, openSync } from 'node:fs'
import type { BlobKey } from '../model/blob-key.js'
import { packPath } from '../model/home.js'
import { readRecord } from '../pack/read-record.js'
import { decodeFrame } from '../pack/zstd.js'
import type { Location } from './catalog.js'

/**
 * The plain bytes of one record of a pack, not hashed.
 * @throws as `readRecord` and `decodeFrame`, and `ENOENT`.
 */
export async function readPacked(
  home: string,
  key: BlobKey,
  location: Location & { in: 'pack' },
): Promise<Uint8Array> {
  const fd = openSync(packPath(home, location.packId), 'r')
  try {
    const stored = readRecord(fd, { ...location, key })
    return location.encoding === 0 ? stored : await decodeFrame(stored, key)
  } finally {
    closeSync(fd)
  }
}
