import type { HasherSet } from '../hash/hasher.js'
import type { Algorithm } from '../model/digest.js'
import type { BatchEncoder, BatchPart, EncodedBatch } from '../pack/encode-batch.js'
import { cutFile, type FilePart, type JudgedChunk } from '../store/cut-file.js'

/** What a `WirePool` has its threads do. */
export type WireTask =
  | { do: 'encode'; parts: BatchPart[] }
  | ({ do: 'cut'; algorithm: Algorithm } & FilePart)

export async function runWireTask(
  task: WireTask,
  { encoder, hashers }: { encoder: BatchEncoder; hashers: HasherSet },
): Promise<EncodedBatch | JudgedChunk[]> {
  if (task.do === 'encode') return encoder.encode(task.parts)
  const hasher = await hashers.get(task.algorithm)
  return cutFile(task, { hasher, judge: bytes => encoder.judge(bytes) })
}

/** The memory in an answer, which moves to whoever gets it. */
export function listMemory(answer: EncodedBatch | JudgedChunk[]): ArrayBuffer[] {
  if (Array.isArray(answer)) return []
  return [...new Set(answer.encoded.map(({ buffer }) => buffer as ArrayBuffer))]
}
