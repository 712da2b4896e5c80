import type { Logger } from 'pino'
import { ArtifactError } from '../src/errors.js'
import type { Settings } from '../src/store/settings.js'
import type { Store } from '../src/store/store.js'
import { keepCacheLimit } from '../src/sync/keep-cache-limit.js'
import type { OpenRemote } from '../src/sync/push.js'

/** What could not go is tried again after so long, unless something was synced before. */
const RETRY_MS = 10 * 60_000

export interface CacheKeeperOptions {
  store: Store
  logger: Logger
  signal: AbortSignal
}

/** Keeps the `cacheLimit` of a store, between the passes of a daemon. */
export class CacheKeeper {
  readonly #options: CacheKeeperOptions
  #triedAt = Number.NEGATIVE_INFINITY

  constructor(options: CacheKeeperOptions) {
    this.#options = options
  }

  /**
   * Brings the store below its limit, if it has one and is above. A failure is logged: it is tried
   * again later.
   * @param isNew something was synced since the last call, which may go now.
   */
  async keep(settings: Settings, openRemote: OpenRemote | null, isNew: boolean): Promise<void> {
    const { cacheLimit, remote } = settings
    if (cacheLimit === null) return
    if (!isNew && performance.now() - this.#triedAt < RETRY_MS) return
    const { store, logger, signal } = this.#options
    const opened = remote === null ? null : (openRemote?.(remote) ?? null)
    try {
      const result = await keepCacheLimit(store, { limit: cacheLimit, remote: opened, signal })
      if (!result) return
      this.#triedAt = performance.now()
      const { bytesBefore, bytesAfter, evicted, reason } = result
      const counts = { bytesBefore, bytesAfter, evicted: evicted.length, limit: cacheLimit }
      if (reason) logger.warn({ ...counts, err: reason }, 'nothing can be evicted now')
      else logger.info(counts, 'cache cleaned')
    } catch (error) {
      if (!(error instanceof ArtifactError) || signal.aborted) throw error
      this.#triedAt = performance.now()
      logger.error({ err: error }, 'the cache limit cannot be kept now')
    }
  }
}
