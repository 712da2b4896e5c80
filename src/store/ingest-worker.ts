import { workerData } from 'node:worker_threads'
import { createHasher } from '../hash/hasher.js'
import { serveTasks } from '../hash/task-worker.js'
import { FileIngester } from './file-ingester.js'
import { type IngestTask, listMemory, runIngestTask } from './ingest-task.js'

const { home, storeId, folder, algorithm } = workerData
const hasher = await createHasher(algorithm)
const ingester = new FileIngester({ home, storeId, folder, hasher })
serveTasks<IngestTask>((task, tell) => runIngestTask(ingester, task, tell), listMemory)
