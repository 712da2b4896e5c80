import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import { ArtifactError } from '../errors.js'
import { checkAborted } from '../store/progress.js'
import type { CallOptions, Remote } from './remote.js'

/** Pauses double from 200 ms to 10 s, each times a random factor from 1 to 2. */
const MIN_PAUSE_MS = 200
const MAX_PAUSE_MS = 10_000
/** The longest that a server's Retry-After is kept to; the pause comes on top. */
const MAX_RETRY_AFTER_MS = 60_000

export interface RetryOptions {
  /** Attempts after the first. Default 5. */
  retries?: number
  /** Waits, by default with a timer; rejects when the signal is aborted. */
  wait?: (ms: number, signal?: AbortSignal) => Promise<unknown>
}

/**
 * The same remote, whose calls are tried again when they fail with an error that the table marks
 * as retryable, and not before the time that the server gave. The last error is thrown. An aborted signal ends a pause at once.
 * `fetch` is not tried again once it gave a record.
 */
export function retryRemote(remote: Remote, options: RetryOptions = {}): Remote {
  const { retries = 5, wait = (ms, signal) => sleep(ms, undefined, { signal }) } = options
  const retry = <T>(work: () => Promise<T>, { signal, onRetry }: CallOptions = {}): Promise<T> =>
    pRetry(work, {
      retries,
      minTimeout: MIN_PAUSE_MS,
      maxTimeout: MAX_PAUSE_MS,
      randomize: true,
      signal,
      shouldRetry: async ({ error }) => {
        if (!(error instanceof ArtifactError) || !error.retryable) return false
        onRetry?.(error)
        const askedMs = Number(error.details.retryAfterMs ?? 0)
        if (askedMs > 0) await wait(Math.min(askedMs, MAX_RETRY_AFTER_MS), signal)
        return true
      },
    }).catch(error => {
      checkAborted(signal)
      throw error
    })
  return {
    url: remote.url,
    capabilities: options => retry(() => remote.capabilities(options), options),
    commit: (collection, items, options) =>
      retry(() => remote.commit(collection, items, options), options),
    listMissing: (entity, keys, options) =>
      retry(() => remote.listMissing(entity, keys, options), options),
    send: (entity, records, options) => retry(() => remote.send(entity, records, options), options),
    async *fetch(entity, keys, options) {
      const { records, first } = await retry(async () => {
        const records = remote.fetch(entity, keys, options)[Symbol.asyncIterator]()
        return { records, first: await records.next() }
      }, options)
      try {
        for (let step = first; !step.done; step = await records.next()) yield step.value
      } finally {
        await records.return?.()
      }
    },
    findVersion: (collection, selector, options) =>
      retry(() => remote.findVersion(collection, selector, options), options),
    listVersions: (filter, after, options) =>
      retry(() => remote.listVersions(filter, after, options), options),
    listDeleted: (entity, ids, options) =>
      retry(() => remote.listDeleted(entity, ids, options), options),
    measureFreed: (entity, ids, options) =>
      retry(() => remote.measureFreed(entity, ids, options), options),
    listEdges: (entity, queries, after, options) =>
      retry(() => remote.listEdges(entity, queries, after, options), options),
  }
}
