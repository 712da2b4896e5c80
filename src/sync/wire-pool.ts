import { availableParallelism } from 'node:os'
import { TaskWorker } from '../hash/task-worker.js'
import type { Algorithm } from '../model/digest.js'
import { BatchJudge } from '../pack/batch-judge.js'
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
  #judge: BatchJudge | undefined
  #encoder: BatchEncoder | undefined

  /** Whether it seems to pay to compress records, found out here. */
  async pays(parts: BatchPart[]): Promise<boolean> {
    this.#judge ??= new BatchJudge(await loadZstd())
    return this.#judge.pays(parts)
  }

  /** Compresses those for which it pays. @param parts their memory is handed over. */
  async encode(parts: BatchPart[]): Promise<EncodedBatch> {
    const bytes = parts.reduce((sum, part) => sum + bytesOf(part).length, 0)
    if (bytes < INLINE_BYTES) {
      this.#encoder ??= new BatchEncoder(await loadZstd())
      return this.#encoder.encode(parts)
    }
    // Parts that lie in the same memory move together.
    const memory = new Set(parts.map(part => bytesOf(part).buffer as ArrayBuffer))
    return this.#takeWorker().run<EncodedBatch>({ do: 'encode', parts }, [...memory])
  }

  cut(algorithm: Algorithm, part: FilePart): Promise<JudgedChunk[]> {
    return this.#takeWorker().run<JudgedChunk[]>({ do: 'cut', algorithm, ...part })
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map(worker => worker.close()))
  }

  /** The idlest thread; a new one only if all are busy, for to start one takes as long as many tasks. */
  #takeWorker(): TaskWorker<WireTask> {
    const idlest = this.#workers.toSorted((a, b) => a.open - b.open)[0]
    if (idlest && (idlest.open === 0 || this.#workers.length === this.size)) return idlest
    const worker = new TaskWorker<WireTask>(new URL('./wire-worker.js', import.meta.url), null)
    this.#workers.push(worker)
    return worker
  }
}

function bytesOf(part: BatchPart): Uint8Array {
  return 'encoded' in part ? part.encoded : part.plain
}
