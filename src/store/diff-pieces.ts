import { compareUtf8 } from '../model/artifact-path.js'
import type { Change } from '../model/change.js'
import type { Entry, Piece } from '../model/entry.js'
import { encodeEntry } from '../model/piece.js'
import { findMoves } from './find-moves.js'
import type { PiecePair } from './pair-pieces.js'

export interface DiffSources {
  /** Reads a piece of the first manifest. What it throws ends the diff. */
  readBefore: (piece: Piece) => Promise<Entry[]>
  readAfter: (piece: Piece) => Promise<Entry[]>
}

/**
 * What leads from one manifest to another, in path order (the removed path for what is gone, the
 * new one for what moved). Each piece of the pairs is read once, so that the time grows with the
 * difference and not with the manifests; what is held of it is bounded as {@link findMoves} says.
 */
export function diffPieces(
  pairs: PiecePair[],
  sources: DiffSources,
): AsyncGenerator<Change, void, undefined> {
  return findMoves(listChanges(pairs, sources))
}

/** Everything but moves, in path order. */
async function* listChanges(
  pairs: PiecePair[],
  { readBefore, readAfter }: DiffSources,
): AsyncGenerator<Change, void, undefined> {
  for (const pair of pairs) {
    const old = new EntryReader(pair.before, readBefore)
    const young = new EntryReader(pair.after, readAfter)
    for (;;) {
      const before = old.entry ?? (await old.read())
      const after = young.entry ?? (await young.read())
      if (!before && !after) break
      const order = !before ? 1 : !after ? -1 : compareUtf8(before.path, after.path)
      if (order <= 0) old.step()
      if (order >= 0) young.step()
      if (order < 0) yield { kind: 'removed', path: before!.path, before: before! }
      else if (order > 0) yield { kind: 'added', path: after!.path, after: after! }
      else if (encodeEntry(before!) !== encodeEntry(after!)) {
        yield { kind: 'changed', path: after!.path, before: before!, after: after! }
      }
    }
  }
}

/** The entries of some pieces one after another, a piece in memory at a time. */
class EntryReader {
  readonly #pieces: Piece[]
  readonly #readPiece: (piece: Piece) => Promise<Entry[]>
  #entries: Entry[] = []
  #nextPiece = 0
  #next = 0

  constructor(pieces: Piece[], readPiece: (piece: Piece) => Promise<Entry[]>) {
    this.#pieces = pieces
    this.#readPiece = readPiece
  }

  /** The present entry; undefined when it must be read, or there is none any more. */
  get entry(): Entry | undefined {
    return this.#entries[this.#next]
  }

  /** The first entry of the next piece; undefined when there is none. */
  async read(): Promise<Entry | undefined> {
    const piece = this.#pieces[this.#nextPiece]
    if (!piece) return undefined
    this.#nextPiece += 1
    this.#entries = await this.#readPiece(piece)
    this.#next = 0
    return this.entry
  }

  step(): void {
    this.#next += 1
  }
}
