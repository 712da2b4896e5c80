import { availableParallelism } from 'node:os'
import { TaskWorker } from '../hash/task-worker.js'
import type { Algorithm } from '../model/digest.js'
import { BatchEncoder, type BatchPart, type EncodedBatch } from '../pack/encode-batch.js'
import { loadZstd } from '../pack/zstd.js'
import type { FilePart, JudgedChunk } from '../store/cut-file.js'
import type { WireTask } from './wire-task.js'

/** Less than this is encoded here: a thread takes longer to start. */
const INLINE_BYTES = 256 * 1024

/** Worker threads for what a sync computes; they start with the first task that is worth it. */
export class WirePool {
  readonly size = availableParallelism()
  readonly #workers: TaskWorker<WireTask>[] = []
  #encoder: BatchEncoder | undefined
  #next = 0

  /** @param parts their memory is handed over. */
  async encode(parts: BatchPart[], options: { compress: boolean }): Promise<EncodedBatch> {
    const bytes = parts.reduce((sum, part) => sum + bytesOf(part).length, 0)
    if (bytes < INLINE_BYTES) {
      this.#encoder ??= new BatchEncoder(await loadZstd())
      return this.#encoder.encode(parts, options)
    }
    // Parts that lie in the same memory move together.
    const memory = new Set(parts.map(part => bytesOf(part).buffer as ArrayBuffer))
    return this.#takeWorker().run<EncodedBatch>({ do: 'encode', parts, ...options }, [...memory])
  }

  cut(algorithm: Algorithm, part: FilePart): Promise<JudgedChunk[]> {
    return this.#takeWorker().run<JudgedChunk[]>({ do: 'cut', algorithm, ...part })
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map(worker => worker?.close()))
  }

  #takeWorker(): TaskWorker<WireTask> {
    this.#next = (this.#next + 1) % this.size
    const url = new URL('./wire-worker.js', import.meta.url)
    this.#workers[this.#next] ??= new TaskWorker<WireTask>(url, null)
    return this.#workers[this.#next]!
  }
}

function bytesOf(part: BatchPart): Uint8Array {
  return 'encoded' in part ? part.encoded : part.plain
}
