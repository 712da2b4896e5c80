import { closeSync, openSync, readFileSync } from 'node:fs'
import { ArtifactError, isArtifactError, storeError, systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { objectPath, packPath } from '../model/home.js'
import { readRecord } from '../pack/read-record.js'
import type { BlobPlace } from './locate-blobs.js'

/** The file that holds the plain bytes of a blob as they are, for one that is not in a pack. */
export function blobFile(home: string, key: BlobKey, place: BlobPlace): string | undefined {
  if (place.in === 'external') return place.file
  return place.in === 'object' ? objectPath(home, key.digest) : undefined
}

/**
 * The plain bytes of one blob, whole and not hashed: the caller verifies its digest.
 * @throws `BLOB_MISSING` when the file is gone, `BLOB_DAMAGED` when its record does not verify.
 */
export function readBlob(home: string, key: BlobKey, place: BlobPlace): Uint8Array {
  try {
    if (place.in !== 'pack') return readFileSync(blobFile(home, key, place)!)
    if (place.encoding !== 0) {
      throw new ArtifactError('STORE_UNSUPPORTED', `${key.digest} is stored compressed`)
    }
    const fd = openSync(packPath(home, place.packId), 'r')
    try {
      return readRecord(fd, { key, ...place })
    } finally {
      closeSync(fd)
    }
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
