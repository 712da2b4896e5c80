import type { Ingest } from '../store/ingest.js'
import type { Store } from '../store/store.js'

/** What every add to one artifact goes through. */
export interface Adding {
  /** After it failed, what was added before is not sure to be there. */
  ingest: Ingest
  /** See `LogRequest.epoch`. */
  epoch: Promise<string>
}

/** To be called before any content is looked for: calls of a catalog take effect in their order. */
export function beginAdding(store: Store): Adding {
  const epoch = store.catalog.describe().then(state => state.epoch)
  // Whoever logs is told of its failure.
  epoch.catch(() => {})
  return { ingest: store.ingest(), epoch }
}
