import { ArtifactError } from '../errors.js'
import type { Digest } from '../model/digest.js'
import type { FileStat, Policy, ReadOutcome } from './file-ingester.js'
import type { ReadSoFar } from './ingest-task.js'
import type { StatRecord } from './put-stat-records.js'
import { type RecallOptions, recallFiles } from './recall-files.js'

export interface SourceFile {
  /** Absolute. */
  file: string
  policy: Policy
  /** See `AddFileOptions`. */
  refuseLinks: boolean
}

export interface AddFileOptions {
  /** Is told how many bytes of a large file have been read; it must not throw. */
  onRead?: ((bytes: number) => void) | undefined
  /** A symbolic link is an error that names it. */
  refuseLinks?: boolean | undefined
}

export interface StoredFile {
  digest: Digest
  stat: FileStat
  /** The store did not have the content before. */
  isNew: boolean
}

/** A file that is to be stored, and who waits for it. */
export interface WaitingFile extends SourceFile {
  /** See `AddFileOptions`. */
  onRead: ((bytes: number) => void) | undefined
  resolve(stored: StoredFile): void
  reject(error: unknown): void
}

/** Reads files, and keeps what is new of their contents. */
export type ReadFiles = (
  files: SourceFile[],
  onRead: (read: ReadSoFar) => void,
) => Promise<{ outcomes: ReadOutcome[]; kept: boolean[] }>

interface StoreOptions extends RecallOptions {
  read: ReadFiles
  /** See `Ingest.rememberFolders`. */
  remember(records: StatRecord[]): void
}

/** Stores files, of which those that look as the stat cache remembers them are not read. */
export async function storeFiles(
  waiting: WaitingFile[],
  { read, remember, ...options }: StoreOptions,
): Promise<void> {
  // What stays outside is in no cache, and temporary files of this process do not come again.
  const isCached = ({ file, policy }: SourceFile) =>
    policy === 'mutable' && !file.startsWith(options.folder)
  const cached = waiting.filter(isCached).map(({ file }) => file)
  const recalled = await recallFiles(cached, options)
  const unread: WaitingFile[] = []
  for (const one of waiting) {
    const known = isCached(one) ? recalled.find(one.file) : undefined
    if (known) one.resolve(known)
    else unread.push(one)
  }
  if (unread.length === 0) return
  const files = unread.map(({ file, policy, refuseLinks }) => ({ file, policy, refuseLinks }))
  const onRead = ({ file, bytes }: ReadSoFar) => {
    for (const one of unread) if (one.file === file) one.onRead?.(bytes)
  }
  const { outcomes, kept } = await read(files, onRead)
  const records: StatRecord[] = []
  for (const [index, one] of unread.entries()) {
    const outcome = outcomes[index]!
    if ('error' in outcome) {
      one.reject(ArtifactError.from(outcome.error))
      continue
    }
    const record = isCached(one) ? recalled.remember(one.file, outcome) : undefined
    if (record) records.push(record)
    one.resolve({ ...outcome, isNew: kept[index] ?? false })
  }
  remember(records)
}
