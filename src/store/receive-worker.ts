import { workerData } from 'node:worker_threads'
import { Later, serveTasks } from '../hash/task-worker.js'
import { type ReceiveTask, runReceiveTask } from './receive-task.js'
import { openStore } from './store.js'

const store = openStore(workerData.home)
// Packs come side by side, as fast as their senders are.
serveTasks((task: ReceiveTask) => new Later(runReceiveTask(store, task)))
