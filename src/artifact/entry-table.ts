import type { ExternalFile } from '../catalog/catalog.js'
import { ArtifactError } from '../errors.js'
import { compareUtf8 } from '../model/artifact-path.js'
import type { Algorithm } from '../model/digest.js'
import type { Entry } from '../model/entry.js'
import { type FolderNode, findEntry, listEntries } from '../store/folder-tree.js'

export interface AddRule {
  /** Place of the call among all adds: where two claim one path, the later one decides. */
  order: number
  /** Take the path over from an earlier add with other content. */
  overwrite: boolean
  /** Refuse a second source even if the content is the same. */
  exclusive: boolean
  /** Where the content came from, for messages. */
  source: string
  /** The file that holds the content, when it is not in the store. */
  external?: ExternalFile
}

type Row = { entry: Entry } & AddRule

interface Tree {
  node: FolderNode
  /** '' or a path that ends in a slash. */
  prefix: string
  /** Its `source` is the folder that the tree was read from. */
  rule: AddRule
  algorithm: Algorithm
}

/**
 * The entries of an artifact that is being built. Single ones are kept by path; whole folders as
 * the trees that they were read into, which take a tenth of the memory and are in order already.
 */
export class EntryTable {
  readonly #rows = new Map<string, Row>()
  readonly #trees: Tree[] = []

  /**
   * Puts an entry in. The same content at the same path changes nothing.
   * @throws `ENTRY_CONFLICT`, naming both sources.
   */
  set(entry: Entry, rule: AddRule): void {
    const row = { entry, ...rule }
    const other = this.#rows.get(entry.path)
    const found = this.#trees.map(tree => findInTree(tree, entry.path))
    chooseLast([row, other, ...found].filter(one => one !== undefined))
    if (!other || other.order <= row.order) this.#rows.set(entry.path, row)
  }

  /** Puts a folder in. @throws `ENTRY_CONFLICT` as `set`. */
  addTree(tree: Tree): void {
    this.#trees.push(tree)
    if (this.#trees.length === 1 && this.#rows.size === 0) return
    for (const row of this.#merged()) void row
  }

  /** The files outside the store that entries stand for, in no order. */
  external(): ExternalFile[] {
    return [...this.#rows.values()].flatMap(({ external }) => external ?? [])
  }

  /**
   * The entries in ascending order of their paths in UTF-8.
   * @throws `ENTRY_CONFLICT` when one path is a folder of another.
   */
  *sorted(): Generator<Entry, void, undefined> {
    if (this.#rows.size === 0 && this.#trees.length === 1) {
      const { node, prefix, algorithm } = this.#trees[0]!
      yield* listEntries(node, prefix, algorithm)
      return
    }
    const folders = this.#folders()
    for (const row of this.#merged()) {
      const below = folders.get(row.entry.path)
      if (below !== undefined) throw conflict(row.entry.path, row.source, below)
      yield row.entry
    }
  }

  /** Every folder that an entry lies in, with where one such entry came from. */
  #folders(): Map<string, string> {
    const folders = new Map<string, string>()
    let last = ''
    for (const { entry, source } of this.#merged()) {
      const end = entry.path.lastIndexOf('/')
      const folder = end < 0 ? '' : entry.path.slice(0, end)
      if (folder === last) continue
      last = folder
      for (let at = folder.length; at > 0; at = folder.lastIndexOf('/', at - 1)) {
        folders.set(folder.slice(0, at), source)
      }
    }
    return folders
  }

  /** All rows in path order, one for each path. */
  *#merged(): Generator<Row, void, undefined> {
    const single = [...this.#rows.values()]
    single.sort((a, b) => compareUtf8(a.entry.path, b.entry.path))
    const heads = [single.values(), ...this.#trees.map(listRows)].map(rows => ({
      rows,
      next: rows.next(),
    }))
    for (;;) {
      let first: Row | undefined
      for (const { next } of heads) {
        if (next.done) continue
        if (!first || compareUtf8(next.value.entry.path, first.entry.path) < 0) first = next.value
      }
      if (!first) return
      const { path } = first.entry
      const claims: Row[] = []
      for (const head of heads) {
        if (head.next.done || head.next.value.entry.path !== path) continue
        claims.push(head.next.value)
        head.next = head.rows.next()
      }
      yield chooseLast(claims)
    }
  }
}

function* listRows({ node, prefix, algorithm, rule }: Tree): Generator<Row, undefined, undefined> {
  for (const entry of listEntries(node, prefix, algorithm)) {
    yield { entry, ...rule, source: `${rule.source}/${entry.path.slice(prefix.length)}` }
  }
}

function findInTree({ node, prefix, algorithm, rule }: Tree, path: string): Row | undefined {
  if (!path.startsWith(prefix)) return undefined
  const below = path.slice(prefix.length)
  const found = findEntry(node, below, algorithm)
  return found && { entry: found, ...rule, source: `${rule.source}/${below}` }
}

/**
 * Which of the rows for one path counts: the last one, if each may follow the one before it.
 * @throws `ENTRY_CONFLICT`, naming both sources.
 */
function chooseLast(rows: Row[]): Row {
  if (rows.length > 1) rows.sort((a, b) => a.order - b.order)
  return rows.reduce((earlier, later) => {
    const same = earlier.entry.digest === later.entry.digest && !later.exclusive
    if (same || later.overwrite) return later
    throw conflict(later.entry.path, earlier.source, later.source)
  })
}

function conflict(path: string, first: string, second: string): ArtifactError {
  return new ArtifactError(
    'ENTRY_CONFLICT',
    `"${path}" comes from two sources: ${first} and ${second}`,
    { details: { path, sources: [first, second] } },
  )
}
