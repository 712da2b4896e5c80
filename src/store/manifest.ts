import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { type Hasher, withHasher } from '../hash/hasher.js'
import { manifestDigestHeader, manifestDigestLine } from '../model/artifact-digest.js'
import { type Algorithm, hexOf } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { decodePiece, encodeEntry, type PieceBytes, PieceCutter } from '../model/piece.js'
import type { Manifest } from '../model/version.js'
import type { Ingest } from './ingest.js'
import { loadPiece, loadPieceBytes, pieceKey } from './load-piece.js'
import { checkAborted } from './progress.js'
import { quarantineKeys } from './quarantine.js'
import { isLoss } from './read-blob.js'
import { recoverOrThrow } from './recover-blobs.js'
import type { Store } from './store.js'

/** Entries encoded before other work gets a turn: a few milliseconds. */
const TURN = 1000
/** Pieces handed to the ingest at once: about 4 MiB. */
const PIECES_A_WRITE = 64

/**
 * Writes a manifest into the store, as pieces, through an ingest that the caller finishes.
 * @param entries in ascending path order; `PIECE_INVALID` otherwise.
 */
export function writeManifest(
  ingest: Pick<Ingest, 'addBytes'>,
  algorithm: Algorithm,
  entries: Iterable<Entry> | AsyncIterable<Entry>,
): Promise<Manifest> {
  return withHasher(algorithm, hasher => writePieces(ingest, entries, hasher))
}

async function writePieces(
  ingest: Pick<Ingest, 'addBytes'>,
  entries: Iterable<Entry> | AsyncIterable<Entry>,
  hasher: Hasher,
): Promise<Manifest> {
  const { algorithm } = hasher
  hasher.update(manifestDigestHeader)
  const cutter = new PieceCutter()
  const manifest: Manifest = { algorithm, digest: '', size: 0, fileCount: 0, pieces: [] }
  let waiting: PieceBytes[] = []
  const flush = async () => {
    const parts = waiting
    waiting = []
    const stored = await ingest.addBytes(
      'piece',
      parts.map(({ bytes }) => bytes),
    )
    parts.forEach(({ bytes, count }, index) => {
      manifest.pieces.push({ digest: stored[index]!.digest, size: bytes.length, count })
    })
  }
  let lines: string[] = []
  const turn = async () => {
    hasher.update(Buffer.from(lines.join(''), 'utf8'))
    lines = []
    if (waiting.length >= PIECES_A_WRITE) await flush()
    await yieldToLoop()
  }
  /** @returns whether it is time for a turn. */
  const add = (entry: Entry): boolean => {
    const piece = cutter.push(encodeEntry(entry), entry.path)
    if (piece) waiting.push(piece)
    manifest.size += entry.size
    manifest.fileCount += 1
    return lines.push(manifestDigestLine(entry)) === TURN
  }
  if (Symbol.iterator in entries) {
    // To wait for every entry would take as long as to encode it.
    for (const entry of entries) if (add(entry)) await turn()
  } else {
    for await (const entry of entries) if (add(entry)) await turn()
  }
  await turn()
  const last = cutter.end()
  if (last) waiting.push(last)
  if (waiting.length > 0) await flush()
  manifest.digest = hexOf(hasher.digest())
  return manifest
}

/**
 * The entries of a piece. One that is damaged or missing is recovered, where that is possible.
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED`, naming the piece and what needs it.
 */
export async function readPiece(store: Store, piece: Piece): Promise<Entry[]> {
  return decodePiece(await readPieceBytes(store, piece), piece.digest)
}

/** As `readPiece`, but null for a piece that is not here, or was not once it turned out damaged. */
export async function findPiece(store: Store, piece: Piece): Promise<Entry[] | null> {
  try {
    return await loadPiece(store, piece)
  } catch (error) {
    if (!isLoss(error)) throw error
    await quarantineKeys(store, [pieceKey(piece)])
    return null
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
