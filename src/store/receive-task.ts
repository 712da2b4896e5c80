import { on } from 'node:events'
import type { MessagePort } from 'node:worker_threads'
import { ArtifactError, type ErrorData } from '../errors.js'
import { parsePackRuns } from '../pack/parse-pack-stream.js'
import { type ReceivedRecords, receiveRecords } from './receive-records.js'
import type { Store } from './store.js'

/** What a `ReceivePool` has its threads do. */
export type ReceiveTask =
  /** Keep what a pack holds, whose bytes come through the port. */
  { do: 'receive'; port: MessagePort } | { do: 'close' }

/**
 * Through the port of a pack: bytes, whose memory goes back when they were read, and with the last
 * how they end.
 */
export interface PackMessage {
  bytes: Uint8Array
  end?: null | ErrorData
}

export async function runReceiveTask(
  store: Store,
  task: ReceiveTask,
): Promise<ReceivedRecords | undefined> {
  if (task.do === 'close') {
    await store.close()
    return undefined
  }
  const { port } = task
  try {
    return await receiveRecords(store, parsePackRuns(readPort(port)))
  } finally {
    port.close()
  }
}

async function* readPort(port: MessagePort): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const [message] of on(port, 'message') as AsyncIterable<[PackMessage]>) {
    const { bytes, end } = message
    if (bytes.length > 0) yield bytes
    if (end) throw ArtifactError.from(end)
    if (end === null) return
    port.postMessage(bytes.buffer, [bytes.buffer as ArrayBuffer])
  }
}
