import type { HasherSet } from '../hash/hasher.js'
import { checkTree } from './check-tree.js'
import { findDamagedObjects } from './find-damaged-objects.js'
import type { ObjectLinker } from './object-linker.js'
import {
  type PlacedItem,
  type TreeItem,
  verifyBlobs,
  type WriteOptions,
  writeTree,
} from './tree-files.js'
import type { TreePaths } from './tree-path.js'

/** What checkout and verify ask of their workers. */
export type TreeTask =
  | { do: 'check'; items: TreeItem[] }
  | { do: 'write'; items: PlacedItem[]; options: WriteOptions }
  | { do: 'verify'; items: PlacedItem[] }
  | { do: 'findDamaged' }

export interface TreeContext {
  home: string
  paths: TreePaths
  hashers: HasherSet
  linker: ObjectLinker
}

export function runTreeTask(
  { home, paths, hashers, linker }: TreeContext,
  task: TreeTask,
): unknown {
  switch (task.do) {
    case 'check':
      return checkTree(paths, task.items, { home, hashers })
    case 'write':
      return writeTree(paths, task.items, { ...task.options, home, hashers, linker })
    case 'verify':
      return verifyBlobs(home, task.items, { hashers })
    case 'findDamaged':
      return findDamagedObjects(home, { hashers })
  }
}
