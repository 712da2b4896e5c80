import { availableParallelism } from 'node:os'
import type { TransferListItem } from 'node:worker_threads'
import { TaskWorker } from '../hash/task-worker.js'
import type { WireTask } from './wire-task.js'

/** Worker threads for what a sync computes; they start with the first task. */
export class WirePool {
  readonly size = availableParallelism()
  readonly #workers: TaskWorker<WireTask>[] = []
  #next = 0

  run<Value>(task: WireTask, transfer: TransferListItem[] = []): Promise<Value> {
    this.#next = (this.#next + 1) % this.size
    const url = new URL('./wire-worker.js', import.meta.url)
    this.#workers[this.#next] ??= new TaskWorker<WireTask>(url, null)
    return this.#workers[this.#next]!.run<Value>(task, transfer)
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map(worker => worker?.close()))
  }
}
