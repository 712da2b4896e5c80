import type { BlobKind } from '../model/blob-key.js'
import type { FileIngester, Policy } from './file-ingester.js'

/** What an ingest asks of its workers. */
export type IngestTask =
  | { do: 'read'; batch: number; files: { file: string; policy: Policy }[] }
  | { do: 'readBytes'; batch: number; kind: BlobKind; parts: Uint8Array[] }
  | { do: 'store'; batch: number; keep: boolean[] }
  | { do: 'finish' }

export function runIngestTask(ingester: FileIngester, task: IngestTask): unknown {
  switch (task.do) {
    case 'read':
      return ingester.read(task.batch, task.files)
    case 'readBytes':
      return ingester.readBytes(task.batch, task.kind, task.parts)
    case 'store':
      return ingester.store(task.batch, task.keep)
    case 'finish':
      return ingester.finish()
  }
}
