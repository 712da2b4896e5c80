import { createHasher } from '../hash/hasher.js'
import { serveTasks } from '../hash/task-worker.js'
import { FileIngester } from './file-ingester.js'
import { type IngestMessage, listMemory, runIngestTask } from './ingest-task.js'

let ingester: FileIngester
serveTasks<IngestMessage>(async (task, tell) => {
  if (task.do !== 'open') return runIngestTask(ingester, task, tell)
  const { algorithm, ...where } = task
  ingester = new FileIngester({ ...where, hasher: await createHasher(algorithm) })
  return null
}, listMemory)
