import { compareUtf8 } from '../model/artifact-path.js'
import type { Entry, Piece } from '../model/entry.js'
import { readEntries } from './manifest.js'
import type { Store } from './store.js'

/** Whether every entry of `part`, with the same content, is one of `whole`. */
export async function holdsEntries(store: Store, whole: Piece[], part: Piece[]): Promise<boolean> {
  const candidates = flatten(store, whole)
  let candidate = await candidates.next()
  for await (const { path, digest, ref } of flatten(store, part)) {
    while (!candidate.done && compareUtf8(candidate.value.path, path) < 0) {
      candidate = await candidates.next()
    }
    if (candidate.done) return false
    const { value } = candidate
    if (value.path !== path || value.digest !== digest || value.ref !== ref) return false
  }
  return true
}

async function* flatten(store: Store, pieces: Piece[]): AsyncGenerator<Entry, void, undefined> {
  for await (const entries of readEntries(store, pieces)) yield* entries
}
