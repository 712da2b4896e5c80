import { on } from 'node:events'
import { availableParallelism } from 'node:os'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { storeError } from '../errors.js'
import { TaskWorker } from '../hash/task-worker.js'
import { parsePackStream } from '../pack/parse-pack-stream.js'
import { joinParts, type PartBatch } from './join-parts.js'
import { type ReceivedRecords, receiveRecords } from './receive-records.js'
import type { PackMessage, ReceiveTask } from './receive-task.js'
import type { Store } from './store.js'

/** Handed over at a time. A pack that is shorter is received here: a thread takes longer to start. */
const BATCH = { bytes: 512 * 1024, holdMs: 20 }
/** Batches of a pack that a thread was given and has not taken up. */
const BATCHES_AHEAD = 2
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
   */
  async receive(source: AsyncIterable<Uint8Array>): Promise<ReceivedRecords> {
    const batches = joinParts(source, BATCH)
    const { value: first } = await batches.next()
    if (!first || first.end) {
      return receiveRecords(this.#store, parsePackStream(replay(first ?? { parts: [] })))
    }
    const { port1: port, port2 } = new MessageChannel()
    const task: ReceiveTask = { do: 'receive', port: port2 }
    const receiving = this.#takeWorker().run<ReceivedRecords>(task, [port2])
    const ended = new AbortController()
    const settled = receiving.then(
      () => ended.abort(),
      () => ended.abort(),
    )
    try {
      await handOver(first, batches, { port, ended: ended.signal })
      return await receiving
    } finally {
      await settled
      await batches.return()
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

/** @param ended aborts when the thread takes nothing more. */
async function handOver(
  first: PartBatch,
  rest: AsyncGenerator<PartBatch, void, undefined>,
  { port, ended }: { port: MessagePort; ended: AbortSignal },
): Promise<void> {
  const taken = on(port, 'message', { signal: ended })
  let ahead = 0
  try {
    for await (const { parts: given, end } of chain(first, rest)) {
      if (ahead === BATCHES_AHEAD) await taken.next()
      else ahead += 1
      const parts = given.map(ownMemory)
      const message: PackMessage = {
        parts,
        ...(end && { end: 'error' in end ? storeError(end.error, 'receiving').toJSON() : null }),
      }
      port.postMessage(
        message,
        parts.map(({ buffer }) => buffer as ArrayBuffer),
      )
    }
  } catch (error) {
    // The thread says itself why it ended.
    if (!ended.aborted) throw error
  }
}

async function* chain(first: PartBatch, rest: AsyncIterable<PartBatch>): AsyncGenerator<PartBatch> {
  yield first
  yield* rest
}

/** What lies in memory of its own moves to another thread; of the rest there is a copy. */
function ownMemory(part: Uint8Array): Uint8Array {
  return part.length === part.buffer.byteLength ? part : new Uint8Array(part)
}

async function* replay({ parts, end }: PartBatch): AsyncGenerator<Uint8Array, void, undefined> {
  yield* parts
  if (end && 'error' in end) throw end.error
}
