import { compareUtf8 } from '../model/artifact-path.js'
import type { Algorithm } from '../model/digest.js'
import type { Entry } from '../model/entry.js'
import { entryAt, type FileRun, listRun, splitNames } from '../model/file-run.js'

/** A folder that was added: its files in UTF-8 order, and the folders in it, see `orderFolders`. */
export interface FolderNode {
  files: Omit<FileRun, 'prefix'>
  folders: { name: string; node: FolderNode }[]
}

/**
 * The entries of a tree in ascending order of their paths in UTF-8. A folder comes where its name
 * with a slash belongs: `a`, `a-b`, `a/x`, `a0`.
 *
 * @param prefix '' or a path that ends in a slash.
 */
export function* listEntries(
  node: FolderNode,
  prefix: string,
  algorithm: Algorithm,
): Generator<Entry, void, undefined> {
  for (const run of listRuns(node, prefix)) yield* listRun(run, algorithm)
}

/** As `listEntries`, as the runs that folders make of each other's files. */
export function* listRuns(
  { files, folders }: FolderNode,
  prefix: string,
): Generator<FileRun, void, undefined> {
  const names = folders.length > 0 ? splitNames(files.names) : []
  let rest = { prefix, ...files }
  let done = 0
  for (const { name: folder, node } of folders) {
    let count = 0
    let bytes = 0
    for (; done < names.length && !comesFirst(folder, names[done]!); done += 1) {
      count += 1
      bytes += Buffer.byteLength(names[done]!) + 1
    }
    if (count > 0) yield cutRun(rest, 0, count, 0, bytes)
    rest = cutRun(rest, count, rest.sizes.length, bytes, rest.names.length)
    yield* listRuns(node, `${prefix}${folder}/`)
  }
  if (rest.sizes.length > 0) yield rest
}

function cutRun(
  { prefix, names, sizes, digests }: FileRun,
  start: number,
  end: number,
  from: number,
  to: number,
): FileRun {
  const width = sizes.length === 0 ? 0 : digests.length / sizes.length
  return {
    prefix,
    names: names.subarray(from, to),
    sizes: sizes.subarray(start, end),
    digests: digests.subarray(start * width, end * width),
  }
}

/** Folders stand among paths as their name with a slash does: `a-b/` comes before `a/`. */
export function orderFolders<T extends { name: string }>(folders: T[]): T[] {
  return folders.sort((a, b) => compareUtf8(`${a.name}/`, `${b.name}/`))
}

function comesFirst(folder: string, file: string): boolean {
  return compareUtf8(`${folder}/`, file) < 0
}

/** The entry at a path relative to a tree, if there is one. */
export function findEntry(tree: FolderNode, path: string, algorithm: Algorithm): Entry | undefined {
  const parts = path.split('/')
  const name = parts.pop()!
  let node: FolderNode | undefined = tree
  for (const part of parts) node = node?.folders.find(folder => folder.name === part)?.node
  const index = node ? splitNames(node.files.names).indexOf(name) : -1
  if (!node || index < 0) return undefined
  return entryAt(node.files, index, { path, algorithm })
}
