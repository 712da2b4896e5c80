import type { ExternalFile } from '../catalog/catalog.js'
import { ArtifactError } from '../errors.js'
import { compareUtf8, foldersAbove } from '../model/artifact-path.js'
import type { Algorithm } from '../model/digest.js'
import type { Entry } from '../model/entry.js'
import type { EntryRun } from '../store/entry-run.js'
import { type FolderNode, findEntry, listEntries, listRuns } from '../store/folder-tree.js'
import type { ManifestWriter } from '../store/manifest-writer.js'
import type { Changes } from '../store/merge-changes.js'
import { BASE_ORDER, Removals } from './removals.js'

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

/** Rows in path order, many of them, that are not kept as rows. */
interface SortedRows {
  list(): Iterator<Row, void, undefined>
  find(path: string): Row | undefined
}

/** A run that is not longer is kept as single entries: each more is looked through by all adds. */
const SHORT_RUN = 1000

/**
 * The entries of an artifact that is being built. Single ones are kept by path; whole folders as
 * the trees that they were read into, which take a tenth of the memory and are in order already.
 */
export class EntryTable {
  readonly #rows = new Map<string, Row>()
  readonly #sorted: SortedRows[] = []
  readonly #removals = new Removals()
  #tree: Tree | undefined

  /**
   * Puts an entry in. The same content at the same path changes nothing.
   * @throws `ENTRY_CONFLICT`, naming both sources.
   */
  set(entry: Entry, rule: AddRule): void {
    const row = { entry, ...rule }
    const other = this.#rows.get(entry.path)
    this.#choose([row, ...this.#find(entry.path)])
    if (!other || other.order <= row.order) this.#rows.set(entry.path, row)
  }

  /** Puts a folder in. @throws `ENTRY_CONFLICT` as `set`. */
  addTree(tree: Tree): void {
    this.#tree ??= tree
    this.#addSorted({ list: () => listTree(tree), find: path => findInTree(tree, path) })
  }

  /** Puts references in that lie in path order. @throws `ENTRY_CONFLICT` as `set`. */
  addRun(run: EntryRun, rule: AddRule): void {
    const toRow = (entry: Entry): Row => ({ entry, ...rule, source: entry.ref ?? rule.source })
    if (run.length <= SHORT_RUN) {
      for (const entry of run.entries()) this.set(entry, toRow(entry))
      return
    }
    this.#addSorted({
      *list() {
        for (const entry of run.entries()) yield toRow(entry)
      },
      find(path) {
        const entry = run.find(path)
        return entry && toRow(entry)
      },
    })
  }

  #addSorted(rows: SortedRows): void {
    this.#sorted.push(rows)
    if (this.#sorted.length === 1 && this.#rows.size === 0) return
    for (const row of this.#merged()) void row
  }

  /** The entry at exactly this path. */
  find(path: string): Entry | undefined {
    return this.#choose(this.#find(path))?.entry
  }

  /** Removes a file, or all of a folder, as far as it came before this call in the order of all. */
  remove(path: string, order: number): void {
    this.#removals.add(path, order)
  }

  /**
   * Whether the removal of a path found anything here.
   * @param base an entry of the base to look at first, if there is one.
   */
  isRemoved(path: string, base?: Entry): boolean {
    if (base) this.#removals.covers(base.path, BASE_ORDER)
    for (const row of this.#find(path)) this.#isLive(row)
    if (this.#removals.isFound(path)) return true
    // What is passed over was removed, and by which removals is noted.
    for (const _ of this.#merged()) if (this.#removals.isFound(path)) return true
    return this.#removals.isFound(path)
  }

  /**
   * What the table makes of the entries of a base, which came before everything here.
   * @param source where they came from, for messages.
   */
  changes(source: string): Changes {
    const rule = { order: BASE_ORDER, source, overwrite: false, exclusive: false }
    return {
      added: this.sorted(),
      removes: path => this.#removals.covers(path, BASE_ORDER),
      replace: entry => void this.#choose([{ entry, ...rule }, ...this.#find(entry.path)]),
    }
  }

  /**
   * To be called when all entries were gone through.
   * @throws `ENTRY_NOT_FOUND` for what was removed and was not there.
   */
  expectRemoved(name: string): void {
    this.#removals.expectFound(name)
  }

  /** The files outside the store that entries stand for, in no order. */
  external(): ExternalFile[] {
    const rows = [...this.#rows.values()].filter(row => this.#isLive(row))
    return rows.flatMap(({ external }) => external ?? [])
  }

  /** The row that counts of those for one path, unless all were removed. @throws as `set`. */
  #choose(rows: Row[]): Row | undefined {
    const live = this.#removals.isEmpty ? rows : rows.filter(row => this.#isLive(row))
    return live.length > 0 ? chooseLast(live) : undefined
  }

  #isLive({ entry, order }: Row): boolean {
    return !this.#removals.covers(entry.path, order)
  }

  #find(path: string): Row[] {
    const single = this.#rows.get(path)
    const found = this.#sorted.flatMap(rows => rows.find(path) ?? [])
    return single ? [single, ...found] : found
  }

  /** Adds the entries to a manifest. @throws as `sorted` and `ManifestWriter.add`. */
  async writeTo(writer: ManifestWriter): Promise<void> {
    if (this.#isOneTree(this.#tree)) {
      const { node, prefix } = this.#tree
      for (const run of listRuns(node, prefix)) await writer.addRun(run)
      return
    }
    for (const entry of this.sorted()) if (writer.add(entry)) await writer.turn()
  }

  /**
   * The entries in ascending order of their paths in UTF-8.
   * @throws `ENTRY_CONFLICT` when one path is a folder of another.
   */
  *sorted(): Generator<Entry, void, undefined> {
    if (this.#isOneTree(this.#tree)) {
      const { node, prefix, algorithm } = this.#tree
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

  #isOneTree(tree: Tree | undefined): tree is Tree {
    const isAlone = this.#rows.size === 0 && this.#sorted.length === 1
    return tree !== undefined && isAlone && this.#removals.isEmpty
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
      for (const above of foldersAbove(entry.path)) folders.set(above, source)
    }
    return folders
  }

  /** All rows in path order, one for each path. */
  *#merged(): Generator<Row, void, undefined> {
    const single = [...this.#rows.values()]
    single.sort((a, b) => compareUtf8(a.entry.path, b.entry.path))
    const heads = [single.values(), ...this.#sorted.map(({ list }) => list())].map(rows => ({
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
      const chosen = this.#choose(claims)
      if (chosen) yield chosen
    }
  }
}

function* listTree({ node, prefix, algorithm, rule }: Tree): Generator<Row, undefined, undefined> {
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
    const { digest, ref } = earlier.entry
    const equal = digest === later.entry.digest && ref === later.entry.ref
    const same = equal && !later.exclusive
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
