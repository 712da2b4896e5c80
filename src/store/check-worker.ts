import { workerData } from 'node:worker_threads'
import { HasherSet } from '../hash/hasher.js'
import { serveTasks } from '../hash/task-worker.js'
import { type CheckTask, checkBytes } from './check-bytes.js'

const context = { ...workerData, hashers: new HasherSet() }
serveTasks<CheckTask>(task => checkBytes(context, task))
