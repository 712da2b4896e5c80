import { ArtifactError } from '../errors.js'

/** @throws `INTERRUPTED` once the signal is aborted; its reason is the cause. */
export function throwIfInterrupted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new ArtifactError('INTERRUPTED', 'the call was cancelled', { cause: signal.reason })
}
