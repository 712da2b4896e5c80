import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { objectPath } from '../model/home.js'
import { isShared, ObjectLinker } from './object-linker.js'
import { isTrusted } from './object-trust.js'
import { fileKey } from './tree-files.js'
import type { TreeTask } from './tree-task.js'

/** To start a thread takes 50 ms, but these keep the caller's event loop. */
const MOST = 16

/**
 * Whether a task is to make a few links or clones of objects that are trusted as they are: a
 * millisecond each, whatever their size, and no byte is read.
 */
export function isQuickToLink(
  { home, root }: { home: string; root: string },
  task: TreeTask,
): boolean {
  if (task.do !== 'write' || task.items.length === 0 || task.items.length > MOST) return false
  const { items, options } = task
  if (options.link === 'copy' || options.verify) return false
  const isLinked = items.every(item => item.place.in === 'object' && isTrusted(home, fileKey(item)))
  return isLinked && (isShared(options.link) || canClone(objectPath(home, items[0]!.digest), root))
}

/** Only an attempt tells. */
function canClone(object: string, root: string): boolean {
  const file = join(root, `.artifact-${randomBytes(6).toString('hex')}`)
  try {
    return new ObjectLinker().clone(object, file)
  } catch {
    return false
  } finally {
    rmSync(file, { force: true })
  }
}
