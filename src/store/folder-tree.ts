import { compareUtf8 } from '../model/artifact-path.js'
import { ALGORITHMS, type Algorithm, digestFromBytes } from '../model/digest.js'
import type { Entry } from '../model/entry.js'
import { createFileEncoder, type ManifestLine } from '../model/manifest-line.js'
import type { FolderBlock } from './folder-block.js'

/** A folder that was added: its files in UTF-8 order, and the folders in it, see `orderFolders`. */
export interface FolderNode {
  files: NodeFiles
  folders: { name: string; node: FolderNode }[]
}

/** Columns as in `FolderBlock`; names with a slash between them, which take a third of the memory. */
interface NodeFiles extends Pick<FolderBlock, 'sizes' | 'digests'> {
  names: string
}

export function toNodeFiles({ names, sizes, digests }: FolderBlock): NodeFiles {
  return { names: names.join('/'), sizes, digests }
}

function namesOf({ names, sizes }: NodeFiles): string[] {
  return sizes.length === 0 ? [] : names.split('/')
}

/**
 * The entries of a tree in ascending order of their paths in UTF-8. A folder comes where its name
 * with a slash belongs: `a`, `a-b`, `a/x`, `a0`.
 *
 * @param prefix '' or a path that ends in a slash.
 */
export function listEntries(
  node: FolderNode,
  prefix: string,
  algorithm: Algorithm,
): Generator<Entry, void, undefined> {
  return walkTree(node, prefix, ({ files }) => (index, path) => {
    return entryAt(files, index, { path, algorithm })
  })
}

/** As `listEntries`, encoded. */
export function encodeTree(
  node: FolderNode,
  prefix: string,
  algorithm: Algorithm,
): Generator<ManifestLine, void, undefined> {
  return walkTree(node, prefix, ({ files: { sizes, digests } }) => {
    const encode = createFileEncoder(algorithm, digests)
    return (index, path) => encode(index, path, sizes[index]!)
  })
}

/** @param describe says how to describe the files of a folder, each by its place in it. */
function* walkTree<T>(
  node: FolderNode,
  prefix: string,
  describe: (node: FolderNode) => (index: number, path: string) => T,
): Generator<T, void, undefined> {
  const { files, folders } = node
  const describeFile = describe(node)
  let next = 0
  for (const [index, name] of namesOf(files).entries()) {
    while (next < folders.length && comesFirst(folders[next]!.name, name)) {
      const { name: folder, node: below } = folders[next++]!
      yield* walkTree(below, `${prefix}${folder}/`, describe)
    }
    yield describeFile(index, prefix + name)
  }
  for (const { name, node: below } of folders.slice(next)) {
    yield* walkTree(below, `${prefix}${name}/`, describe)
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
  const index = node ? namesOf(node.files).indexOf(name) : -1
  if (!node || index < 0) return undefined
  return entryAt(node.files, index, { path, algorithm })
}

function entryAt(
  { sizes, digests }: NodeFiles,
  index: number,
  { path, algorithm }: { path: string; algorithm: Algorithm },
): Entry {
  const width = ALGORITHMS[algorithm].bytes
  const bytes = digests.subarray(index * width, (index + 1) * width)
  return { path, digest: digestFromBytes(algorithm, bytes), size: sizes[index]! }
}
