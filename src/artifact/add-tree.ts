import type { FolderNode } from '../store/folder-tree.js'
import type { Ingest } from '../store/ingest.js'
import { ingestTree } from '../store/ingest-tree.js'
import { checkAborted, type WorkOptions } from '../store/progress.js'
import type { Store } from '../store/store.js'
import type { DedupTotals } from './artifact-options.js'

interface AddTreeOptions extends WorkOptions {
  patterns: string[]
  refuseLinks: boolean
  /** Is counted up. */
  dedup: DedupTotals
}

/** Copies a folder into the store. @returns its files as a tree. */
export async function addTree(
  { home, catalog, algorithm }: Store,
  ingest: Ingest,
  { root, dedup, onProgress, ...options }: AddTreeOptions & { root: string },
): Promise<FolderNode> {
  const done = { files: 0, bytes: 0 }
  const node = await ingestTree({ home, ingest, catalog, algorithm }, root, {
    ...options,
    onFiles: ({ files, bytes, newFiles, newBytes, total }) => {
      done.files += files
      done.bytes += bytes
      dedup.files += files - newFiles
      dedup.bytes += bytes - newBytes
      dedup.newBytes += newBytes
      const totals = total && { totalFiles: total.files, totalBytes: total.bytes }
      onProgress?.({ step: 'add', ...done, ...totals })
    },
  })
  checkAborted(options.signal)
  return node
}
