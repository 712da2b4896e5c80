import type { Piece } from '../model/entry.js'
import { listsReferences, readPiece } from '../store/manifest.js'
import { checkAborted } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { isReference } from './reference-contents.js'
import type { ReferenceEntry } from './reference-handler.js'

/** The references of a version in path order, one piece in memory at a time. */
export async function* listReferences(
  store: Store,
  pieces: Piece[],
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<ReferenceEntry[], void, undefined> {
  for (const piece of pieces) {
    checkAborted(signal)
    if (!(await listsReferences(store, piece))) continue
    yield (await readPiece(store, piece)).filter(isReference)
  }
}
