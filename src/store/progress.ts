import { ArtifactError } from '../errors.js'

/** How far a step that takes time has come; totals are absent while they are not known. */
export interface Progress {
  step: 'add' | 'checkout' | 'verify' | 'download' | 'upload'
  files: number
  bytes: number
  totalFiles?: number
  totalBytes?: number
}

export interface WorkOptions {
  /** Aborting it stops the work and rejects with `INTERRUPTED`. */
  signal?: AbortSignal
  onProgress?: (progress: Progress) => void
}

/** @throws `INTERRUPTED` once the signal is aborted. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new ArtifactError('INTERRUPTED', 'the call was cancelled', { cause: signal.reason })
}
