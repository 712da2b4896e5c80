import { realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Catalog, StoreState } from '../catalog/catalog.js'
import { freeMemory } from '../hash/free-memory.js'
import { ALGORITHMS, type Algorithm } from '../model/digest.js'
import { readClock } from './file-clock.js'
import { LARGE_BYTES, TREE_BATCH_BYTES } from './file-ingester.js'
import { decodeFolderRecord, encodeFolderRecord, fillKnown, STATS_A_FILE } from './folder-block.js'
import type { FolderNode } from './folder-tree.js'
import type { Ingest } from './ingest.js'
import type { ReadSoFar } from './ingest-task.js'
import { checkAborted } from './progress.js'
import type { ScannedFolder } from './scan-folder.js'
import { fileError } from './source-file.js'

/** Folders that are scanned in one task. */
const FOLDERS_A_SCAN = 8
/** Files that are read in one task, however small. */
const FILES_A_READ = 1024
/** Records of the stat cache that wait to become durable, before the packs are flushed for them. */
const RECORD_BYTES = 4 * 1024 * 1024

/** What is done beside what was told before. */
export interface DoneFiles {
  files: number
  bytes: number
  /** Of contents that the store did not have. */
  newFiles: number
  newBytes: number
  /** How many there are, once the whole folder was looked through. */
  total?: { files: number; bytes: number }
}

export interface TreeOptions {
  /** gitignore rules, case-sensitive, against paths relative to the folder. */
  patterns: string[]
  refuseLinks: boolean
  /** Called as files are done, and as large ones are read. */
  onFiles(done: DoneFiles): void
  signal?: AbortSignal
}

export interface TreeTarget {
  /** Of the store. */
  home: string
  ingest: Ingest
  catalog: Catalog
  algorithm: Algorithm
}

interface FolderAt {
  /** Relative to the root. */
  folder: string
  ancestors: string[]
}

/** Some files of one scanned folder that follow each other. */
interface FileRange {
  folder: number
  start: number
  end: number
  /** Their names among the bytes of all. */
  names: { start: number; end: number }
}

/**
 * Stores every file below a folder. Files that look as they did when the stat cache was written
 * are not read.
 *
 * @param root absolute.
 * @throws as `scanFolder`, and `FILE_CHANGED`.
 */
export async function ingestTree(
  target: TreeTarget,
  root: string,
  options: TreeOptions,
): Promise<FolderNode> {
  let real: string
  try {
    real = realpathSync(root)
  } catch (error) {
    throw fileError(error, root)
  }
  target.ingest.prepare()
  // Folders are looked through while the catalog opens, which takes as long.
  const state = target.catalog.describe()
  // Whoever needs it is told of its failure.
  state.catch(() => {})
  const before = readClock(await target.ingest.folder())(statSync(root, { bigint: true }).dev)
  const home = realpathSync(target.home)
  const tree = new TreeIngest(target, root, { ...options, state, before, home })
  const [node] = await tree.add([{ folder: '', ancestors: [real] }])
  return node!
}

interface TreeSetting extends TreeOptions {
  state: Promise<StoreState>
  before: bigint
  /** Real. */
  home: string
}

class TreeIngest {
  readonly #target: TreeTarget
  readonly #root: string
  readonly #options: TreeSetting
  readonly #width: number
  readonly #found = { files: 0, bytes: 0 }
  /** Groups of folders that are not looked through yet. */
  #scanning = 0
  #recordBytes = 0
  #failure: { error: unknown } | undefined

  constructor(target: TreeTarget, root: string, options: TreeSetting) {
    this.#target = target
    this.#root = root
    this.#options = options
    this.#width = ALGORITHMS[target.algorithm].bytes
  }

  /** Adds some folders and everything below them; the nodes are in the order of the folders. */
  async add(folders: FolderAt[]): Promise<FolderNode[]> {
    const nodes: Promise<FolderNode[]>[] = []
    for (let start = 0; start < folders.length; start += FOLDERS_A_SCAN) {
      nodes.push(this.#addGroup(folders.slice(start, start + FOLDERS_A_SCAN)))
    }
    return (await all(nodes)).flat()
  }

  async #addGroup(folders: FolderAt[]): Promise<FolderNode[]> {
    const { patterns, refuseLinks, home } = this.#options
    this.#scanning += 1
    const scanned = await this.#target.ingest.schedule(async worker => {
      this.#check()
      return worker.scan({
        root: this.#root,
        home,
        patterns,
        refuseLinks,
        digestBytes: this.#width,
        folders,
      })
    })
    try {
      const below = folders.map((at, index) => this.add(childrenOf(at, scanned[index]!)))
      this.#count(scanned)
      const read = this.#recall(folders, scanned).then(() => this.#readUnknown(folders, scanned))
      await all<unknown>([read, ...below])
      await this.#remember(folders, scanned, await read)
      // Given back now: as garbage they would wait for a collection of all, 24 MB a million files.
      freeMemory(scanned.flatMap(({ block: { stats, known } }) => [stats, known]))
      return await Promise.all(
        scanned.map(async ({ block, folders: children }, index) => {
          const nodes = await below[index]!
          const named = children.map(({ name }, child) => ({ name, node: nodes[child]! }))
          const { names, sizes, digests } = block
          return { files: { names, sizes, digests }, folders: named }
        }),
      )
    } catch (error) {
      this.#failure ??= { error }
      throw error
    }
  }

  #count(scanned: ScannedFolder[]): void {
    this.#scanning -= 1
    for (const { block } of scanned) {
      this.#found.files += block.sizes.length
      for (const size of block.sizes) this.#found.bytes += size
    }
  }

  /** Takes over the digests that the stat cache vouches for. */
  async #recall(folders: FolderAt[], scanned: ScannedFolder[]): Promise<void> {
    const { epoch, empty } = await this.#options.state
    // It vouches only for what the store has.
    if (empty) return
    const paths = folders.map(({ ancestors }) => ancestors.at(-1)!)
    const records = await this.#target.catalog.getFolders(paths)
    for (const [index, { block, dev }] of scanned.entries()) {
      const text = records[index]
      if (!text) continue
      const record = decodeFolderRecord(Buffer.from(text, 'base64'))
      if (record?.epoch !== epoch || record.dev !== dev) continue
      fillKnown(block, record.block, this.#width)
    }
  }

  /** Reads the files whose digests are not known. @returns for each folder whether any was. */
  async #readUnknown(folders: FolderAt[], scanned: ScannedFolder[]): Promise<boolean[]> {
    const reading: Promise<void>[] = []
    const any = scanned.map(() => false)
    let slice: FileRange[] = []
    let files = 0
    let bytes = 0
    const flush = () => {
      if (files > 0) reading.push(this.#readSlice(folders, scanned, slice))
      slice = []
      files = 0
      bytes = 0
    }
    scanned.forEach(({ block }, folder) => {
      let known = 0
      let knownBytes = 0
      let name = 0
      // Mostly nothing has changed, and names need not be looked through.
      if (!block.known.includes(0)) {
        for (const size of block.sizes) knownBytes += size
        if (block.sizes.length > 0) this.#tell({ files: block.sizes.length, bytes: knownBytes })
        return
      }
      for (const [file, size] of block.sizes.entries()) {
        const names = { start: name, end: block.names.indexOf(0, name) + 1 }
        name = names.end
        if (block.known[file] === 1) {
          known += 1
          knownBytes += size
          continue
        }
        any[folder] = true
        const small = size < LARGE_BYTES ? size : 0
        if (bytes + small > TREE_BATCH_BYTES || files === FILES_A_READ) flush()
        const last = slice.at(-1)
        if (last?.folder === folder && last.end === file) {
          last.end += 1
          last.names.end = names.end
        } else {
          slice.push({ folder, start: file, end: file + 1, names })
        }
        files += 1
        bytes += small
        // A large file takes as long as many small ones.
        if (size >= LARGE_BYTES) flush()
      }
      if (known === 0) return
      this.#tell({ files: known, bytes: knownBytes })
    })
    flush()
    await all(reading)
    return any
  }

  async #readSlice(
    folders: FolderAt[],
    scanned: ScannedFolder[],
    slice: FileRange[],
  ): Promise<void> {
    const files = slice.reduce((sum, { start, end }) => sum + end - start, 0)
    /** Bytes of large files that were told of already. */
    let told = 0
    let reading: ReadSoFar | undefined
    const onRead = (read: ReadSoFar) => {
      const more = read.bytes - (reading?.file === read.file ? reading.bytes : 0)
      reading = read
      told += more
      this.#tellOnTheWay(more)
    }
    const { empty } = await this.#options.state
    const result = await this.#target.ingest.schedule(worker => {
      this.#check()
      const sizes = new Float64Array(files)
      const stats = new BigUint64Array(files * STATS_A_FILE)
      let at = 0
      for (const { folder, start, end } of slice) {
        const { block } = scanned[folder]!
        sizes.set(block.sizes.subarray(start, end), at)
        stats.set(statsOf(block.stats, start, end), at * STATS_A_FILE)
        at += end - start
      }
      const named = slice.map(({ folder, names: { start, end } }) => ({
        path: join(this.#root, folders[folder]!.folder, '/'),
        names: scanned[folder]!.block.names.slice(start, end),
      }))
      const { refuseLinks } = this.#options
      return worker.store(
        { folders: named, sizes, stats, refuseLinks },
        { mayHave: !empty, onRead },
      )
    }, true)
    this.#check()
    const width = this.#width
    const { sizes, stats, digests, isNew } = result
    let at = 0
    for (const { folder, start, end } of slice) {
      const { block } = scanned[folder]!
      const next = at + end - start
      block.sizes.set(sizes.subarray(at, next), start)
      block.stats.set(statsOf(stats, at, next), start * STATS_A_FILE)
      block.digests.set(digests.subarray(at * width, next * width), start * width)
      block.known.fill(1, start, end)
      at = next
    }
    const done = { files, bytes: -told, newFiles: 0, newBytes: 0 }
    sizes.forEach((size, index) => {
      done.bytes += size
      if (!isNew[index]) return
      done.newFiles += 1
      done.newBytes += size
    })
    freeMemory([sizes, stats, digests])
    this.#tell(done)
  }

  #tell(done: Partial<DoneFiles>): void {
    const total = this.#scanning === 0 ? { total: this.#found } : {}
    this.#options.onFiles({ files: 0, bytes: 0, newFiles: 0, newBytes: 0, ...done, ...total })
  }

  /** As `#tell`, amid the reading of a file, where nobody is there to take what the caller throws. */
  #tellOnTheWay(bytes: number): void {
    try {
      this.#tell({ bytes })
    } catch (error) {
      this.#failure ??= { error }
    }
  }

  async #remember(folders: FolderAt[], scanned: ScannedFolder[], changed: boolean[]) {
    const { ingest, algorithm } = this.#target
    const { before, state } = this.#options
    const { epoch } = await state
    const records = scanned.flatMap(({ block, dev }, index) => {
      if (!changed[index] || block.sizes.length === 0) return []
      const record = encodeFolderRecord(block, { algorithm, epoch, dev, before })
      this.#recordBytes += record.length
      return { folder: folders[index]!.ancestors.at(-1)!, record }
    })
    ingest.rememberFolders(records)
    if (this.#recordBytes < RECORD_BYTES) return
    this.#recordBytes = 0
    await ingest.flush()
  }

  /** Nothing more is begun after a failure, or once the caller has given up. */
  #check(): void {
    if (this.#failure) throw this.#failure.error
    checkAborted(this.#options.signal)
  }
}

function childrenOf({ folder, ancestors }: FolderAt, { folders }: ScannedFolder): FolderAt[] {
  return folders.map(({ name, real }) => ({
    folder: folder ? `${folder}/${name}` : name,
    ancestors: [...ancestors, real],
  }))
}

function statsOf(stats: BigUint64Array, start: number, end: number): BigUint64Array {
  return stats.subarray(start * STATS_A_FILE, end * STATS_A_FILE)
}

/** As `Promise.all`, but waits for all of them to end before it tells the first failure. */
async function all<T>(promises: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}
