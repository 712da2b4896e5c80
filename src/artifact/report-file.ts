import type { WorkOptions } from '../store/progress.js'

/** Tells of one file that was added alone. */
export function reportFile(
  { size }: { size: number },
  onProgress: WorkOptions['onProgress'],
): void {
  onProgress?.({ step: 'add', files: 1, bytes: size, totalFiles: 1, totalBytes: size })
}
