import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import { ArtifactError } from '../errors.js'

/** Attempts that fail after the first, of those that count. */
const RETRIES = 4
/** The longest that a server may ask to be left alone for. */
const MAX_WAIT_MS = 60_000

export interface RetryOptions {
  /** Whether the attempt that failed counts: not when it brought something new. Default: it does. */
  shouldConsumeRetry?: () => boolean
  /** Pause before the second attempt, in milliseconds; doubles. */
  pauseMs: number
  signal?: AbortSignal
}

/**
 * Makes attempts again that fail with `REFERENCE_FAILED`, later where the server said when. One that
 * wants to be left alone for longer than {@link MAX_WAIT_MS} is not asked again.
 */
export function retryReference<T>(
  attempt: () => Promise<T>,
  { pauseMs, signal, shouldConsumeRetry = () => true }: RetryOptions,
): Promise<T> {
  return pRetry(attempt, {
    retries: RETRIES,
    minTimeout: pauseMs,
    randomize: true,
    signal,
    shouldConsumeRetry,
    shouldRetry: async ({ error }) => {
      if (!(error instanceof ArtifactError) || error.code !== 'REFERENCE_FAILED') return false
      const waitMs = Number(error.details.retryAfterMs ?? 0)
      if (waitMs > MAX_WAIT_MS) return false
      await sleep(waitMs, undefined, { signal })
      return true
    },
  })
}
