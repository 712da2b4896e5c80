import { withHasher } from '../hash/hasher.js'
import type { Algorithm } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { parsePiece } from '../model/piece.js'
import type { Manifest } from '../model/version.js'
import type { Ingest } from './ingest.js'
import { loadPiece, loadPieceBytes, pieceKey } from './load-piece.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import { ManifestWriter } from './manifest-writer.js'
import { checkAborted } from './progress.js'
import { quarantineKeys } from './quarantine.js'
import { isLoss } from './read-blob.js'
import { recoverOrThrow } from './recover-blobs.js'
import type { Store } from './store.js'

/** How often a piece is looked for that was moved while it was read. */
const ATTEMPTS = 3

/**
 * Writes a manifest into the store, as pieces, through an ingest that the caller finishes.
 * @param entries in ascending path order; `PIECE_INVALID` otherwise.
 */
export function writeManifest(
  ingest: Pick<Ingest, 'addBytes'>,
  algorithm: Algorithm,
  entries: Iterable<Entry> | AsyncIterable<Entry>,
): Promise<Manifest> {
  return writeManifestWith(ingest, algorithm, async writer => {
    if (Symbol.iterator in entries) {
      // To wait for every entry would take as long as to encode it.
      for (const entry of entries) if (writer.add(entry)) await writer.turn()
    } else {
      for await (const entry of entries) if (writer.add(entry)) await writer.turn()
    }
  })
}

/** As `writeManifest`, of what `add` adds to the writer. */
export function writeManifestWith(
  ingest: Pick<Ingest, 'addBytes'>,
  algorithm: Algorithm,
  add: (writer: ManifestWriter) => Promise<void>,
): Promise<Manifest> {
  return withHasher(algorithm, async hasher => {
    const writer = new ManifestWriter(ingest, hasher)
    await add(writer)
    return writer.end()
  })
}

/**
 * The entries of a piece. One that is damaged or missing is recovered, where that is possible.
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED`, naming the piece and what needs it.
 */
export async function readPiece(store: Store, piece: Piece): Promise<Entry[]> {
  return parsePiece(await readPieceBytes(store, piece))
}

/**
 * As `readPiece`, but null for a piece that is not here, or was not once it turned out damaged.
 * @param known where it lies, if that was looked up just now.
 */
export async function findPiece(
  store: Store,
  piece: Piece,
  known?: BlobPlace,
): Promise<Entry[] | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await loadPiece(store, piece, attempt === 1 ? known : undefined)
    } catch (error) {
      if (!isLoss(error)) throw error
      await quarantineKeys(store, [pieceKey(piece)])
      const [place] = await locateBlobs(store, [pieceKey(piece)], { external: false })
      // It was moved into another pack meanwhile, or is damaged there too.
      if (!place || attempt === ATTEMPTS) return null
    }
  }
}

/**
 * False for a piece that lists no reference, found out without decoding it: most list none.
 * @throws as `readPiece`.
 */
export async function listsReferences(store: Store, piece: Piece): Promise<boolean> {
  const bytes = await readPieceBytes(store, piece)
  // In a string of JSON the quotes would be escaped, so that this is a key, of an entry or in it.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('"ref":')
}

async function readPieceBytes(store: Store, piece: Piece): Promise<Uint8Array> {
  try {
    return await loadPieceBytes(store, piece)
  } catch (error) {
    if (!isLoss(error)) throw error
    await recoverOrThrow(store, [{ key: pieceKey(piece), error }])
    return loadPieceBytes(store, piece)
  }
}

/** The entries of a version in path order, one piece in memory at a time. */
export async function* readEntries(
  store: Store,
  pieces: Piece[],
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<Entry[], void, undefined> {
  for (const piece of pieces) {
    checkAborted(signal)
    yield await readPiece(store, piece)
  }
}
