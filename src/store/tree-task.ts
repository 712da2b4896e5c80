import type { HasherSet } from '../hash/hasher.js'
import { checkTree, type PlacedItem, type TreeItem, verifyBlobs, writeTree } from './tree-files.js'
import type { TreePaths } from './tree-path.js'

/** What checkout and verify ask of their workers. */
export type TreeTask =
  | { do: 'check'; items: TreeItem[] }
  /** `unseen`: nobody sees the folder before it is complete. */
  | { do: 'write'; items: PlacedItem[]; unseen: boolean }
  | { do: 'verify'; items: PlacedItem[] }

export interface TreeContext {
  home: string
  paths: TreePaths
  hashers: HasherSet
}

export function runTreeTask({ home, paths, hashers }: TreeContext, task: TreeTask): unknown {
  switch (task.do) {
    case 'check':
      return checkTree(paths, task.items, { hashers })
    case 'write':
      return writeTree(home, paths, task.items, { hashers, unseen: task.unseen })
    case 'verify':
      return verifyBlobs(home, task.items, { hashers })
  }
}
