import type { Piece } from '../model/entry.js'

/** Pieces of two manifests that list the same range of paths, and of which none is in both. */
export interface PiecePair {
  before: Piece[]
  after: Piece[]
}

/**
 * What is left of two manifests without the pieces that they share, in path order. No piece is
 * read: a piece that both have lists the same paths in both, so that what is before it in one can
 * only meet what is before it in the other.
 */
export function pairPieces(before: Piece[], after: Piece[]): PiecePair[] {
  const places = new Map(after.map(({ digest }, index) => [digest, index]))
  const pairs: PiecePair[] = []
  let pair: PiecePair = { before: [], after: [] }
  let next = 0
  const end = (place: number) => {
    pair.after = after.slice(next, place)
    if (pair.before.length + pair.after.length > 0) pairs.push(pair)
    pair = { before: [], after: [] }
    next = place + 1
  }
  for (const piece of before) {
    const place = places.get(piece.digest)
    if (place === undefined) pair.before.push(piece)
    else end(place)
  }
  end(after.length)
  return pairs
}
