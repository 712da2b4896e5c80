import ignore from 'ignore'
import { Later } from '../hash/task-worker.js'
import type { BlobKind } from '../model/blob-key.js'
import type { Algorithm } from '../model/digest.js'
import type { FileColumns, FileIngester, ReadColumns } from './file-ingester.js'
import { type ScannedFolder, type ScanRequest, scanFolder } from './scan-folder.js'
import type { SourceFile } from './store-files.js'

/** What an ingest asks of its workers. */
export type IngestTask =
  | { do: 'read'; batch: number; files: SourceFile[] }
  | { do: 'readColumns'; batch: number; columns: FileColumns }
  | { do: 'readBytes'; batch: number; kind: BlobKind; parts: Uint8Array[] }
  | { do: 'scan'; scan: ScanTask }
  | { do: 'store'; batch: number; keep: boolean[] }
  | { do: 'finish' }

/** The first, and once. */
export interface OpenIngest {
  do: 'open'
  home: string
  storeId: string
  /** For its temporary files. */
  folder: string
  algorithm: Algorithm
}

export type IngestMessage = IngestTask | OpenIngest

export interface ScanTask
  extends Pick<ScanRequest, 'root' | 'home' | 'refuseLinks' | 'digestBytes'> {
  /** gitignore rules. */
  patterns: string[]
  folders: Pick<ScanRequest, 'folder' | 'ancestors'>[]
}

/** How many bytes of a large file have been read. */
export interface ReadSoFar {
  file: string
  bytes: number
}

export async function runIngestTask(
  ingester: FileIngester,
  task: IngestTask,
  tell: (read: ReadSoFar) => void,
): Promise<unknown> {
  ingester.onRead = (file, bytes) => tell({ file, bytes })
  switch (task.do) {
    case 'read':
      return ingester.read(task.batch, task.files)
    case 'readColumns':
      return ingester.readColumns(task.batch, task.columns)
    case 'readBytes':
      return ingester.readBytes(task.batch, task.kind, task.parts)
    case 'scan':
      return scanFolders(task.scan)
    case 'store':
      await ingester.idle()
      return new Later(ingester.store(task.batch, task.keep))
    case 'finish':
      return ingester.finish()
  }
}

function scanFolders({ folders, patterns, ...request }: ScanTask): ScannedFolder[] {
  const rules = patterns.length > 0 ? ignore({ ignorecase: false }).add(patterns) : undefined
  return folders.map(at => scanFolder({ ...request, ...at, rules }))
}

/** What moves to the caller with an answer instead of being copied: the columns of files. */
export function listMemory(answer: unknown): ArrayBuffer[] {
  if (Array.isArray(answer)) return answer.flatMap(item => buffersOf(item.block))
  // The digests stay, for the batch is not stored yet.
  const { sizes, stats } = (answer ?? {}) as Partial<ReadColumns>
  return buffersOf({ sizes, stats })
}

/** The memory of the columns among these. */
export function buffersOf(columns: object = {}): ArrayBuffer[] {
  return Object.values(columns).flatMap(column =>
    ArrayBuffer.isView(column) ? [column.buffer as ArrayBuffer] : [],
  )
}
