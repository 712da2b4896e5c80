import { lstatSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { sep } from 'node:path'
import { ArtifactError, type ErrorData, systemCode } from '../errors.js'
import type { Hasher, HasherSet } from '../hash/hasher.js'
import { algorithmOf, type Digest } from '../model/digest.js'
import { homePaths } from '../model/home.js'
import { fileError } from './source-file.js'
import { readFile, type TreeItem } from './tree-files.js'
import { conflict, type TreePaths } from './tree-path.js'

/** What stands at an entry's path: nothing, its content, or something else. */
export type TreeState =
  | { is: 'absent' }
  | { is: 'same' }
  | { is: 'other'; digest: Digest; size: number }
  | { is: 'conflict'; error: ErrorData }

/** Compares files of a folder with entries, reading the content of those of equal size. */
export async function checkTree(
  paths: TreePaths,
  items: TreeItem[],
  { home, hashers }: { home: string; hashers: HasherSet },
): Promise<TreeState[]> {
  const states: TreeState[] = []
  for (const item of items) {
    const hasher = await hashers.get(algorithmOf(item.digest))
    states.push(checkFile(paths, item, { home, hasher }))
  }
  return states
}

function checkFile(
  paths: TreePaths,
  item: TreeItem,
  { home, hasher }: { home: string; hasher: Hasher },
): TreeState {
  try {
    const file = paths.resolve(item.path)
    const stat = file === null ? undefined : statIfThere(file, home)
    if (!file || !stat) return { is: 'absent' }
    if (!stat.isFile()) throw conflict(file, 'is not a regular file')
    const digest = hashFile(file, hasher)
    const same = digest === item.digest && stat.size === item.size
    return same ? { is: 'same' } : { is: 'other', digest, size: stat.size }
  } catch (error) {
    if (error instanceof ArtifactError) return { is: 'conflict', error: error.toJSON() }
    throw error
  }
}

/** Follows a link only if it leads to an object of the store, as a checkout makes them. */
function statIfThere(file: string, home: string): Stats | undefined {
  try {
    const stat = lstatSync(file)
    const objects = homePaths(home).objects + sep
    const isOurs = stat.isSymbolicLink() && readlinkSync(file).startsWith(objects)
    return isOurs ? statSync(file) : stat
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(error, file)
  }
}

function hashFile(file: string, hasher: Hasher): Digest {
  hasher.init()
  try {
    readFile(file, bytes => hasher.update(bytes))
  } catch (error) {
    throw fileError(error, file)
  }
  return hasher.digest()
}
