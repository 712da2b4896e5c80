import { on } from 'node:events'
import { availableParallelism } from 'node:os'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { storeError } from '../errors.js'
import { freeMemory } from '../hash/free-memory.js'
import { TaskWorker } from '../hash/task-worker.js'
import { parsePackRuns } from '../pack/parse-pack-stream.js'
import { type ReceivedRecords, receiveRecords } from './receive-records.js'
import type { PackMessage, ReceiveTask } from './receive-task.js'
import type { Store } from './store.js'

/** A pack that is shorter is received here: a thread takes longer to start. */
const INLINE_BYTES = 512 * 1024
/** Handed over at a time, in memory that comes back: one is filled while the other is read. */
const BATCH_BYTES = 2 * 1024 * 1024
const BATCHES = 2
/** As many as one client sends at a time. */
const PACKS_A_THREAD = 2

/**
 * Receives packs in worker threads, so that whoever serves them is free for others. The threads
 * start with the first pack that is worth it.
 */
export class ReceivePool {
  readonly #store: Store
  readonly #workers: (TaskWorker<ReceiveTask> | undefined)[]

  constructor(store: Store) {
    this.#store = store
    this.#workers = new Array(availableParallelism()).fill(undefined)
  }

  /**
   * Keeps what a wire pack holds, as `receiveRecords`. Memory is bounded by some megabytes a pack;
   * the source waits meanwhile.
   * @param source parts that are handed over with the memory that they lie in, if nothing else does.
   */
  async receive(source: AsyncIterable<Uint8Array>): Promise<ReceivedRecords> {
    const parts = source[Symbol.asyncIterator]()
    const begun = await readBegin(parts)
    const all = chain(begun, parts)
    if (begun.ended) return receiveRecords(this.#store, parsePackRuns(all))
    const { port1: port, port2 } = new MessageChannel()
    const task: ReceiveTask = { do: 'receive', port: port2 }
    const receiving = this.#takeWorker().run<ReceivedRecords>(task, [port2])
    const ended = new AbortController()
    const settled = receiving.then(
      () => ended.abort(),
      () => ended.abort(),
    )
    try {
      await handOver(all, { port, ended: ended.signal })
      return await receiving
    } finally {
      await settled
      port.close()
    }
  }

  /** Ends the threads; what they are receiving fails. */
  async close(): Promise<void> {
    const workers = this.#workers.splice(0).filter(worker => worker !== undefined)
    for (const worker of workers) {
      await worker.run({ do: 'close' })
      await worker.close()
    }
  }

  /** A thread that has room; else a new one, for each compiles the same code anew; else the idlest. */
  #takeWorker(): TaskWorker<ReceiveTask> {
    const open = this.#workers.map(worker => worker?.open ?? PACKS_A_THREAD)
    const least = Math.min(...open)
    const absent = this.#workers.indexOf(undefined)
    const index = least >= PACKS_A_THREAD && absent !== -1 ? absent : open.indexOf(least)
    const url = new URL('./receive-worker.js', import.meta.url)
    this.#workers[index] ??= new TaskWorker<ReceiveTask>(url, { home: this.#store.home })
    return this.#workers[index]
  }
}

/** What a source gave first, and how it ended if it did. */
interface Begin {
  parts: Uint8Array[]
  ended?: { error?: unknown }
}

async function readBegin(source: AsyncIterator<Uint8Array>): Promise<Begin> {
  const parts: Uint8Array[] = []
  try {
    for (let length = 0; length < INLINE_BYTES; ) {
      const { done, value } = await source.next()
      if (done) return { parts, ended: {} }
      parts.push(value)
      length += value.length
    }
    return { parts }
  } catch (error) {
    return { parts, ended: { error } }
  }
}

async function* chain(
  { parts, ended }: Begin,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* parts
    if (ended && 'error' in ended) throw ended.error
    for (;;) {
      const { done, value } = await rest.next()
      if (done) return
      yield value
    }
  } finally {
    // It may be waiting for a part that never comes; then it ends with its source.
    void rest.return?.().catch(() => {})
  }
}

/** @param ended aborts when the thread takes nothing more. */
async function handOver(
  source: AsyncIterable<Uint8Array>,
  { port, ended }: { port: MessagePort; ended: AbortSignal },
): Promise<void> {
  const returned = on(port, 'message', { signal: ended })
  let made = 0
  let batch: Uint8Array | undefined
  let filled = 0
  let read: Uint8Array[] = []
  const takeBatch = async () => {
    if (made === BATCHES) return new Uint8Array((await returned.next()).value[0])
    made += 1
    return new Uint8Array(BATCH_BYTES)
  }
  const post = (end?: PackMessage['end']) => {
    const bytes = batch?.subarray(0, filled) ?? new Uint8Array(0)
    batch = undefined
    filled = 0
    const message: PackMessage = { bytes, ...(end !== undefined && { end }) }
    port.postMessage(message, [bytes.buffer as ArrayBuffer])
    freeMemory(read)
    read = []
  }
  try {
    for await (const part of source) {
      for (let done = 0; done < part.length; ) {
        batch ??= await takeBatch()
        const some = part.subarray(done, done + batch.length - filled)
        batch.set(some, filled)
        filled += some.length
        done += some.length
        if (filled === batch.length) post()
      }
      read.push(part)
    }
    post(null)
  } catch (error) {
    // The thread says itself why it ended.
    if (!ended.aborted) post(storeError(error, 'receiving').toJSON())
  }
}
