import { ArtifactError } from '../errors.js'
import { hashBytes, withHasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { parsePiece } from '../model/piece.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import { readBlob } from './read-blob.js'
import type { Store } from './store.js'

export function pieceKey({ digest, size }: Piece): BlobKey {
  return { kind: 'piece', digest, size }
}

/**
 * The bytes of a piece as it lies in the store, verified.
 * @param known where it lies, if that was looked up just now.
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED`, naming the piece.
 */
export async function loadPieceBytes(
  store: Store,
  piece: Piece,
  known?: BlobPlace,
): Promise<Uint8Array> {
  const key = pieceKey(piece)
  const place = known ?? (await locateBlobs(store, [key]))[0]
  if (!place || place.in === 'recipe') {
    throw new ArtifactError('BLOB_MISSING', `the manifest piece ${piece.digest} is not here`, {
      details: { kind: 'piece', digest: piece.digest },
    })
  }
  const bytes = await readBlob(store.home, key, place)
  const digest = await withHasher(algorithmOf(piece.digest), hasher => hashBytes(hasher, bytes))
  if (digest !== piece.digest) {
    throw new ArtifactError('BLOB_DAMAGED', `the manifest piece ${piece.digest} is damaged`, {
      details: { kind: 'piece', digest: piece.digest },
    })
  }
  return bytes
}

/** Its entries; it was looked through when it came into the store. @throws as `loadPieceBytes`. */
export async function loadPiece(store: Store, piece: Piece, known?: BlobPlace): Promise<Entry[]> {
  return parsePiece(await loadPieceBytes(store, piece, known))
}
