import type { HasherSet } from '../hash/hasher.js'
import type { Algorithm } from '../model/digest.js'
import type { BatchCompressor, CompressedBatch } from '../pack/compress-batch.js'
import { cutFile, type FilePart, type JudgedChunk } from '../store/cut-file.js'

/** What a `WirePool` has its threads do. */
export type WireTask =
  /** `bytes` are the plain bytes of records, one after another. */
  | { do: 'compress'; bytes: Uint8Array; lengths: number[] }
  | ({ do: 'cut'; algorithm: Algorithm } & FilePart)

export async function runWireTask(
  task: WireTask,
  { compressor, hashers }: { compressor: BatchCompressor; hashers: HasherSet },
): Promise<CompressedBatch | JudgedChunk[]> {
  if (task.do === 'compress') return compressor.compress(task.bytes, task.lengths)
  const hasher = await hashers.get(task.algorithm)
  return cutFile(task, { hasher, judge: bytes => compressor.pays(bytes) })
}
