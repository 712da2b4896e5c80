import type { KeyRef, Location } from '../catalog/catalog.js'
import type { ContentReader } from '../catalog/content-marker.js'
import type { Recipe } from '../chunk/recipe.js'
import type { Digest } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { readPiece } from './manifest.js'
import { checkAborted } from './progress.js'
import { isLoss } from './read-blob.js'
import { readRecipe } from './read-chunks.js'
import type { Store } from './store.js'

/** Reads content of a store for a `ContentMarker`; pieces that are damaged are healed if possible. */
export class StoreReader implements ContentReader {
  readonly #store: Store
  readonly #signal: AbortSignal | undefined

  constructor(store: Store, { signal }: { signal?: AbortSignal | undefined } = {}) {
    this.#store = store
    this.#signal = signal
  }

  locate(refs: KeyRef[]): Promise<(Location | null)[]> {
    return this.#store.catalog.locate(refs)
  }

  findReferences(names: string[]): Promise<({ digest: Digest } | null)[]> {
    return this.#store.catalog.findReferences(names)
  }

  readPiece({ digest, size }: Pick<Piece, 'digest' | 'size'>): Promise<Entry[]> {
    checkAborted(this.#signal)
    return readPiece(this.#store, { digest, size, count: 0 })
  }

  async readRecipe({ digest }: KeyRef, location: Location): Promise<Recipe | undefined> {
    if (location.in !== 'pack') return undefined
    try {
      return readRecipe(this.#store, { kind: 'recipe', digest, size: location.size }, location)
    } catch (error) {
      if (isLoss(error)) return undefined
      throw error
    }
  }
}
