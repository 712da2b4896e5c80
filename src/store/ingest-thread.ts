import { TaskWorker } from '../hash/task-worker.js'
import type { IngestMessage } from './ingest-task.js'

export type IngestThread = TaskWorker<IngestMessage>

const ahead: IngestThread[] = []

/**
 * Starts a thread for an ingest that this process is about to begin. A thread takes as long to start as
 * the code of an ingest to load, and meanwhile does. It holds no process that has no use for it.
 */
export function startIngestThread(): void {
  ahead.push(start())
}

/** One that was started ahead, or a new one. It must be told first what to `open`. */
export function takeIngestThread(): IngestThread {
  return ahead.pop() ?? start()
}

function start(): IngestThread {
  return new TaskWorker(new URL('./ingest-worker.js', import.meta.url), null)
}
