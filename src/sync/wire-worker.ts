import { HasherSet } from '../hash/hasher.js'
import { serveTasks } from '../hash/task-worker.js'
import { BatchCompressor } from '../pack/compress-batch.js'
import { loadZstd } from '../pack/zstd.js'
import { runWireTask, type WireTask } from './wire-task.js'

const tools = { compressor: new BatchCompressor(await loadZstd()), hashers: new HasherSet() }
serveTasks<WireTask>(task => runWireTask(task, tools))
