import { workerData } from 'node:worker_threads'
import { HasherSet } from '../hash/hasher.js'
import { serveTasks } from '../hash/task-worker.js'
import { ObjectLinker } from './object-linker.js'
import { TreePaths } from './tree-path.js'
import { runTreeTask, type TreeTask } from './tree-task.js'

const { home, root } = workerData
const context = {
  home,
  paths: new TreePaths(root),
  hashers: new HasherSet(),
  linker: new ObjectLinker(),
}
serveTasks<TreeTask>(task => runTreeTask(context, task))
