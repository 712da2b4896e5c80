import { compareUtf8 } from '../model/artifact-path.js'
import type { Entry, Piece } from '../model/entry.js'
import { readPiece } from './manifest.js'
import type { Store } from './store.js'

/**
 * Finds entries of a manifest by their paths. It reads about as many pieces as the number of all has
 * binary digits, and fewer the more it has read: it keeps their last paths, and one piece.
 */
export class ManifestIndex {
  readonly #store: Store
  readonly #pieces: Piece[]
  readonly #lastPaths = new Map<number, string>()
  #held: { index: number; entries: Entry[] } | undefined

  constructor(store: Store, pieces: Piece[]) {
    this.#store = store
    this.#pieces = pieces
  }

  /** The entry with exactly this path. @throws as `readPiece`. */
  async find(path: string): Promise<Entry | undefined> {
    for await (const entry of this.#from(path)) return entry.path === path ? entry : undefined
    return undefined
  }

  /** The entries below a folder, in path order. @throws as `readPiece`. */
  async *list(folder: string): AsyncGenerator<Entry, void, undefined> {
    for await (const entry of this.#from(`${folder}/`)) {
      if (!entry.path.startsWith(`${folder}/`)) return
      yield entry
    }
  }

  /** The entries from a path on. */
  async *#from(path: string): AsyncGenerator<Entry, void, undefined> {
    let low = 0
    let high = this.#pieces.length
    while (low < high) {
      const middle = (low + high) >> 1
      const last = this.#lastPaths.get(middle) ?? (await this.#read(middle)).at(-1)!.path
      if (compareUtf8(last, path) < 0) low = middle + 1
      else high = middle
    }
    for (; low < this.#pieces.length; low += 1) {
      for (const entry of await this.#read(low)) {
        if (compareUtf8(entry.path, path) >= 0) yield entry
      }
    }
  }

  async #read(index: number): Promise<Entry[]> {
    if (this.#held?.index === index) return this.#held.entries
    const entries = await readPiece(this.#store, this.#pieces[index]!)
    this.#held = { index, entries }
    this.#lastPaths.set(index, entries.at(-1)!.path)
    return entries
  }
}
