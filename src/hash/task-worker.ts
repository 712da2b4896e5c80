import { once } from 'node:events'
import { type MessagePort, parentPort, type TransferListItem, Worker } from 'node:worker_threads'
import { ArtifactError, storeError } from '../errors.js'
import { WORKER_OPTIONS } from './worker-options.js'

/** What travels to a worker: a task with the number that its answer carries. */
interface TaskMessage<Task> {
  id: number
  task: Task
}

/** A word on the way is no answer yet. */
type TaskAnswer =
  | { id: number; value: unknown }
  | { id: number; error: unknown }
  | { id: number; word: unknown }

interface OpenTask {
  resolve(value: never): void
  reject(error: unknown): void
  onWord?: (word: never) => void
}

/**
 * A worker thread that runs tasks one after another, in the order they were given, and keeps state
 * between them. It holds the process alive only while a task is open. Errors come back with their
 * code; when the thread ends, every open task fails.
 */
export class TaskWorker<Task> {
  readonly #worker: Worker
  readonly #open = new Map<number, OpenTask>()
  #nextId = 0
  #closing = false
  #ended: Error | undefined

  constructor(url: URL, workerData: unknown) {
    this.#worker = new Worker(url, { ...WORKER_OPTIONS, workerData })
    this.#worker.on('message', (answer: TaskAnswer) => this.#settle(answer))
    this.#worker.on('error', error => this.#end(error))
    this.#worker.on('exit', () => this.#end(new Error('the worker thread ended')))
    // After the listeners: to listen for messages holds the process.
    this.#worker.unref()
  }

  /** Number of tasks that were given and not answered. */
  get open(): number {
    return this.#open.size
  }

  /** @param onWord is given what the task tells on its way; it must not throw. */
  run<Value, Word = unknown>(
    task: Task,
    transfer: TransferListItem[] = [],
    onWord?: (word: Word) => void,
  ): Promise<Value> {
    if (this.#ended) return Promise.reject(storeError(this.#ended, 'a worker thread'))
    const id = this.#nextId++
    if (this.#open.size === 0) this.#worker.ref()
    return new Promise<Value>((resolve, reject) => {
      this.#open.set(id, { resolve, reject, onWord })
      this.#worker.postMessage({ id, task } satisfies TaskMessage<Task>, transfer)
    })
  }

  async close(): Promise<void> {
    if (this.#ended) return
    // Whatever is still answered, the process stays until the thread has ended.
    this.#closing = true
    const exited = once(this.#worker, 'exit')
    await this.#worker.terminate()
    await exited.catch(() => {})
  }

  #settle(answer: TaskAnswer): void {
    const waiting = this.#open.get(answer.id)
    if ('word' in answer) {
      waiting?.onWord?.(answer.word as never)
      return
    }
    this.#open.delete(answer.id)
    if (this.#open.size === 0 && !this.#closing) this.#worker.unref()
    if ('error' in answer) waiting?.reject(ArtifactError.from(answer.error))
    else waiting?.resolve(answer.value as never)
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#open.values()) reject(storeError(error, 'a worker thread'))
    this.#open.clear()
  }
}

/** An answer that is not there yet; the task after it is begun all the same. */
export class Later<Value> {
  readonly value: Promise<Value>

  constructor(value: Promise<Value>) {
    this.value = value
  }
}

/**
 * The other side of {@link TaskWorker}: answers each task with what `handle` returns.
 * @param handle may tell words on the way.
 * @param listMemory what of a value moves with it instead of being copied. Default: nothing.
 */
export function serveTasks<Task, Value = unknown>(
  handle: (
    task: Task,
    tell: (word: unknown) => void,
  ) => Value | Later<Value> | Promise<Value | Later<Value>>,
  listMemory: (value: Value) => TransferListItem[] = () => [],
): void {
  const port = parentPort as MessagePort
  let previous: Promise<void> = Promise.resolve()
  const answer = async (id: number, work: () => Promise<Value>) => {
    try {
      const value = await work()
      port.postMessage({ id, value }, listMemory(value))
    } catch (error) {
      port.postMessage({ id, error: storeError(error, 'storing').toJSON() })
    }
  }
  const serve = ({ id, task }: TaskMessage<Task>) =>
    new Promise<void>(done => {
      const work = async () => {
        const value = await handle(task, word => port.postMessage({ id, word }))
        if (!(value instanceof Later)) return value
        done()
        return value.value
      }
      void answer(id, work).then(done)
    })
  port.on('message', (message: TaskMessage<Task>) => {
    previous = previous.then(() => serve(message))
  })
}
