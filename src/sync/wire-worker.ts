import { HasherSet } from '../hash/hasher.js'
import { serveTasks } from '../hash/task-worker.js'
import { BatchEncoder } from '../pack/encode-batch.js'
import { loadZstd } from '../pack/zstd.js'
import { listMemory, runWireTask, type WireTask } from './wire-task.js'

const tools = { encoder: new BatchEncoder(await loadZstd()), hashers: new HasherSet() }
serveTasks((task: WireTask) => runWireTask(task, tools), listMemory)
