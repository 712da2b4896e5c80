import { checkExposed } from '../store/check-exposed.js'
import { holdContent } from '../store/hold-content.js'
import type { Ingest } from '../store/ingest.js'
import { recoverBlobs } from '../store/recover-blobs.js'
import type { Store } from '../store/store.js'

/** What every add to one artifact goes through. */
export interface Adding {
  /** After it failed, what was added before is not sure to be there. */
  ingest: Ingest
  /** Content may be looked for from here on: what was edited in place is not found any more. */
  begun: Promise<void>
  /**
   * After the last add: what was edited in place meanwhile is brought in again if it can be, and if
   * not the commit misses it.
   * @returns see `LogRequest.epoch`.
   */
  end(): Promise<string>
  /** What was found and added need not stay any more for the sake of this artifact. */
  release(): void
}

export function beginAdding(store: Store): Adding {
  let epoch: Promise<string> | undefined
  let release = () => {}
  const begun = checkExposed(store).then(() => {
    release = holdContent(store)
    // Calls of a catalog take effect in their order: before any content is looked for.
    epoch = store.catalog.describe().then(state => state.epoch)
    // Whoever logs is told of its failure.
    epoch.catch(() => {})
  })
  const end = async () => {
    await begun
    const damaged = await checkExposed(store)
    if (damaged.length > 0) await recoverBlobs(store, damaged)
    return epoch!
  }
  return { ingest: store.ingest(), begun, end, release: () => release() }
}
