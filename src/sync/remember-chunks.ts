import { MAX_BATCH } from '../catalog/catalog.js'
import type { Recipe } from '../chunk/recipe.js'
import type { Store } from '../store/store.js'

/** Remembers which chunks an object in the store has, so that a pull finds them there. */
export async function rememberChunks(store: Store, recipe: Recipe): Promise<void> {
  for (const batch of recipe.batches(MAX_BATCH)) {
    const chunks = batch.map(({ key, offset }) => ({ digest: key.digest, offset }))
    await store.catalog.rememberChunks(recipe.key.digest, chunks)
  }
}
