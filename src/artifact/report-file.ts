import type { WorkOptions } from '../store/progress.js'

/** Tells of one file that was added alone. */
export function reportFile(
  { size }: { size: number },
  onProgress: WorkOptions['onProgress'],
): void {
  onProgress?.({ step: 'add', files: 1, bytes: size, totalFiles: 1, totalBytes: size })
}

/**
 * Tells of one file while it is read.
 * @returns what is told how many bytes were read, and what tells that it is added: it throws what the
 *   caller's function threw meanwhile.
 */
export function reportReading(size: number, onProgress: WorkOptions['onProgress']) {
  let failure: { error: unknown } | undefined
  return {
    onRead(bytes: number): void {
      try {
        onProgress?.({ step: 'add', files: 0, bytes, totalFiles: 1, totalBytes: size })
      } catch (error) {
        failure ??= { error }
      }
    },
    end(added: { size: number }): void {
      if (failure) throw failure.error
      reportFile(added, onProgress)
    },
  }
}
