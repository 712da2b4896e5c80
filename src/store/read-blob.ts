import { closeSync, openSync, readFileSync } from 'node:fs'
import { ArtifactError, isArtifactError, storeError, systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { objectPath, packPath } from '../model/home.js'
import { readRecord } from '../pack/read-record.js'
import { decodeFrame } from '../pack/zstd.js'
import type { BlobPlace } from './locate-blobs.js'

/** A place that holds all the bytes of a blob. */
export type WholePlace = Exclude<BlobPlace, { in: 'recipe' }>

/** The file that holds the plain bytes of a blob as they are, for one that is not in a pack. */
export function blobFile(home: string, key: BlobKey, place: WholePlace): string | undefined {
  if (place.in === 'external') return place.file
  return place.in === 'object' ? objectPath(home, key.digest) : undefined
}

/**
 * The plain bytes of one blob, whole and not hashed: the caller verifies its digest.
 * @throws `BLOB_MISSING` when the file is gone, `BLOB_DAMAGED` when its record does not verify or
 *   does not decode.
 */
export async function readBlob(home: string, key: BlobKey, place: WholePlace): Promise<Uint8Array> {
  try {
    if (place.in !== 'pack') return readFileSync(blobFile(home, key, place)!)
    const fd = openSync(packPath(home, place.packId), 'r')
    let stored: Buffer
    try {
      stored = readRecord(fd, { key, ...place })
    } finally {
      closeSync(fd)
    }
    return place.encoding === 0 ? stored : await decodeFrame(stored, key)
  } catch (error) {
    throw blobError(error, key)
  }
}

/** True for an error that says that bytes of the store are damaged or not there. */
export function isLoss(error: unknown): error is ArtifactError {
  return isArtifactError(error, 'BLOB_DAMAGED') || isArtifactError(error, 'BLOB_MISSING')
}

export function blobError(error: unknown, key: BlobKey): ArtifactError {
  if (systemCode(error) !== 'ENOENT') return storeError(error, `reading ${key.digest}`)
  return new ArtifactError('BLOB_MISSING', `the bytes of ${key.digest} are gone from the store`, {
    cause: error,
    details: { kind: key.kind, digest: key.digest },
  })
}
