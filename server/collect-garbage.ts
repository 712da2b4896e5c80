import type { FastifyBaseLogger } from 'fastify'
import { ArtifactError } from '../src/errors.js'
import type { Store } from '../src/store/store.js'
import { cleanStore } from '../src/sync/clean-store.js'

/** The longest that a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Removes from time to time what no version of a served store needs, and no session. A failure is
 * logged; it is tried again the next time.
 * @returns what ends it, after what is under way was cut.
 */
export function collectGarbage(
  store: Store,
  { everyMs, logger }: { everyMs: number; logger: Pick<FastifyBaseLogger, 'info' | 'error'> },
): () => Promise<void> {
  const stop = new AbortController()
  const { signal } = stop
  let running = Promise.resolve()
  const collect = async () => {
    try {
      const { bytesBefore, bytesAfter } = await cleanStore(store, { signal })
      if (bytesAfter < bytesBefore) logger.info({ bytesBefore, bytesAfter }, 'garbage collected')
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ArtifactError)) throw error
      logger.error({ err: error }, 'garbage cannot be collected now')
    }
  }
  const timer = setInterval(
    () => {
      running = running.then(collect)
    },
    Math.min(everyMs, MAX_TIMER_MS),
  ).unref()
  return async () => {
    clearInterval(timer)
    stop.abort()
    await running
  }
}
