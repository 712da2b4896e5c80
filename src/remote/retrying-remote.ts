import pRetry from 'p-retry'
import { ArtifactError } from '../errors.js'
import { checkAborted } from '../store/progress.js'
import type { CallOptions, Remote } from './remote.js'

/** Pauses double from 200 ms to 10 s, each times a random factor from 1 to 2. */
const MIN_PAUSE_MS = 200
const MAX_PAUSE_MS = 10_000

export interface RetryOptions {
  /** Attempts after the first. Default 5. */
  retries?: number
}

/**
 * The same remote, whose calls are tried again when they fail with an error that the table marks
 * as retryable. The last error is thrown. An aborted signal ends a pause at once.
 * `fetch` is not tried again once it gave a record.
 */
export function retryRemote(remote: Remote, { retries = 5 }: RetryOptions = {}): Remote {
  const retry = <T>(work: () => Promise<T>, { signal }: CallOptions = {}): Promise<T> =>
    pRetry(work, {
      retries,
      minTimeout: MIN_PAUSE_MS,
      maxTimeout: MAX_PAUSE_MS,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => error instanceof ArtifactError && error.retryable,
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
  }
}
