import { checkAborted } from '../store/progress.js'

/** Rejects with `INTERRUPTED` as soon as the signal is aborted, whatever the promise does. */
export async function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return promise
  let abort = () => {}
  const aborted = new Promise<void>(resolve => {
    abort = resolve
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) resolve()
  })
  try {
    // The answer counts where both are there.
    return await Promise.race([promise, aborted.then(() => checkAborted(signal) as never)])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
