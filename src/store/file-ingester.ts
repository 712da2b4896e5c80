import { randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, fstatSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DirectWriter } from '../disk/direct-writer.js'
import { publishFiles } from '../disk/publish.js'
import { ArtifactError, type ErrorData } from '../errors.js'
import { freeMemory } from '../hash/free-memory.js'
import { type Hasher, hashBytes } from '../hash/hasher.js'
import type { BlobKey, BlobKind } from '../model/blob-key.js'
import {
  ALGORITHMS,
  type Algorithm,
  algorithmOf,
  type Digest,
  digestBytes,
} from '../model/digest.js'
import { splitNames } from '../model/file-run.js'
import { objectPath, packPath } from '../model/home.js'
import { KIND_NUMBERS, type RawHeader } from '../pack/format.js'
import { PackWriter } from '../pack/pack-writer.js'
import { STATS_A_FILE } from './folder-block.js'
import { sealObject } from './object-trust.js'
import { flushInPlace, isFileError, openSource, readAsSeen, readSome } from './source-file.js'
import type { SourceFile } from './store-files.js'
import { TreeBatch } from './tree-batch.js'

/** Files below this size go into packs; others stay whole files, ready for reflinks. */
export const LARGE_BYTES = 256 * 1024
/** Bytes of small files in one batch of a tree. */
export const TREE_BATCH_BYTES = 2 * 1024 * 1024
/** A pack is finished past either: a flush per 64 MiB, and an index of less than a megabyte. */
export const PACK_BYTES = 64 * 1024 * 1024
export const PACK_RECORDS = 16_384
/** Small files of one batch lie in one buffer; what does not fit is read by itself. */
const ARENA_BYTES = TREE_BATCH_BYTES + LARGE_BYTES
const READ_BYTES = 2 * 1024 * 1024
/** How often a file that changes while it is read is read again. */
const ATTEMPTS = 3

/** `mutable` copies bytes into the store; `immutable` leaves the file where it is. */
export type Policy = 'mutable' | 'immutable'

/** A file as it was while it was read; times in decimal nanoseconds. */
export interface FileStat {
  size: number
  mtimeNs: string
  ctimeNs: string
  ino: string
}

/** Files of a folder tree, as a scan saw them; columns as in `FolderBlock`. */
export interface FileColumns {
  /** Absolute, with a slash at the end, each with some of its files. */
  folders: { path: string; names: Uint8Array }[]
  sizes: Float64Array
  stats: BigUint64Array
  refuseLinks: boolean
}

/** The columns again, as the files were when they were hashed. */
export interface ReadColumns extends Omit<FileColumns, 'folders' | 'refuseLinks'> {
  digests: Uint8Array
  /** The first file that could not be read, if one could not. */
  error?: ErrorData
}

/** One file of a batch, and the columns of all. */
interface FileAt extends Omit<FileColumns, 'folders'> {
  index: number
}

export type ReadOutcome = { digest: Digest; stat: FileStat } | { error: ErrorData }

/** What became durable, with its place in the store. */
export interface Published {
  packs: string[]
  objects: BlobKey[]
}

export type Held =
  | { in: 'memory'; key: BlobKey; bytes: Uint8Array }
  | { in: 'file'; key: BlobKey; path: string }
  | { in: 'place'; key: BlobKey }

export interface IngesterOptions {
  home: string
  storeId: string
  /** A folder of the caller's own on the store's file system. */
  folder: string
  hasher: Hasher
}

/**
 * Reads, hashes and stores files; runs in a worker thread. It reads with synchronous calls, which are
 * several times faster here than others, and lets the disk write meanwhile.
 *
 * A batch has two steps. `read` reads each file once and holds its bytes (large ones in a temporary
 * file, hashed as they are copied); `store` keeps those that the store lacks and drops the others.
 * Packs are finished when full and by `finish`; what `store` and `finish` return is durable.
 */
export class FileIngester {
  readonly #options: IngesterOptions
  readonly #batches = new Map<number, (Held | undefined)[]>()
  readonly #trees = new Map<number, TreeBatch>()
  #buffer: Buffer | undefined
  /** Buffers for the small files of a batch, used again when it is stored. */
  readonly #arenas: Buffer[] = []
  /** Batches that are not durable yet. */
  readonly #storing = new Set<Promise<Published>>()
  #pack: PackWriter | undefined
  /** Is told how far the reading of a file is that is not read at once. */
  onRead: (file: string, bytes: number) => void = () => {}

  constructor(options: IngesterOptions) {
    this.#options = options
  }

  async read(batch: number, files: SourceFile[]): Promise<ReadOutcome[]> {
    const held: (Held | undefined)[] = []
    this.#batches.set(batch, held)
    const outcomes: ReadOutcome[] = []
    for (const source of files) {
      try {
        const { content, stat } = await this.#readStable(source)
        held.push(content)
        outcomes.push({ digest: content.key.digest, stat })
      } catch (error) {
        if (!isFileError(error)) throw error
        held.push(undefined)
        outcomes.push({ error: error.toJSON() })
      }
    }
    return outcomes
  }

  /**
   * As `read`, for files that a scan has just looked at: a file that is unchanged since is read with
   * one look more. Stops at the first that cannot be read.
   */
  async readColumns(batch: number, { folders, ...columns }: FileColumns): Promise<ReadColumns> {
    const { hasher } = this.#options
    const { sizes, stats } = columns
    const arena = this.#arenas.pop() ?? Buffer.allocUnsafeSlow(ARENA_BYTES)
    const width = ALGORITHMS[hasher.algorithm].bytes
    const tree = new TreeBatch(arena, { files: sizes.length, width })
    this.#trees.set(batch, tree)
    let index = 0
    try {
      for (const { path, names } of folders) {
        for (const name of splitNames(names)) {
          const odd = this.#readTreeFile(path + name, tree, { index, ...columns })
          if (odd) await odd
          index += 1
        }
      }
    } catch (error) {
      if (!isFileError(error)) throw error
      return { sizes, stats, digests: tree.digests, error: error.toJSON() }
    }
    return { sizes, stats, digests: tree.digests }
  }

  /** Small files are read at once; a promise for others. */
  #readTreeFile(file: string, tree: TreeBatch, columns: FileAt): Promise<void> | undefined {
    const { index, sizes, stats } = columns
    const { hasher } = this.#options
    const size = sizes[index]!
    const room = size < LARGE_BYTES ? tree.room(size + 1) : undefined
    if (room && readAsSeen(file, room, { size, stats, at: index * STATS_A_FILE })) {
      hasher.init()
      hasher.update(room.subarray(0, size))
      tree.add(size, hasher.rawDigest())
      return undefined
    }
    return this.#holdTreeFile(file, tree, columns)
  }

  async #holdTreeFile(
    file: string,
    tree: TreeBatch,
    { index, sizes, stats, refuseLinks }: FileAt,
  ): Promise<void> {
    const { content, stat } = await this.#readStable({ file, policy: 'mutable', refuseLinks })
    sizes[index] = stat.size
    const { ino, mtimeNs, ctimeNs } = stat
    stats.set([BigInt(ino), BigInt(mtimeNs), BigInt(ctimeNs)], index * STATS_A_FILE)
    tree.hold(content, digestBytes(content.key.digest))
  }

  /** As `read`, for bytes that are at hand. */
  readBytes(batch: number, kind: BlobKind, parts: Uint8Array[]): Digest[] {
    const held = parts.map(bytes => {
      const digest = hashBytes(this.#options.hasher, bytes)
      return { in: 'memory' as const, key: { kind, digest, size: bytes.length }, bytes }
    })
    this.#batches.set(batch, held)
    return held.map(({ key }) => key.digest)
  }

  /** Resolves when there is room for another batch. */
  async idle(): Promise<void> {
    await this.#pack?.idle()
  }

  /**
   * Keeps the items of a batch that are marked, and forgets the rest. Others may be read and stored
   * before it settles, which it does when the packs that it filled are durable.
   */
  store(batch: number, keep: boolean[]): Promise<Published> {
    return this.#track(this.#store(batch, keep))
  }

  async #store(batch: number, keep: boolean[]): Promise<Published> {
    const published: Published = { packs: [], objects: [] }
    const full: Promise<string>[] = []
    const moves: { from: string; to: string }[] = []
    const storeHeld = (item: Held, index: number) => {
      if (item.in === 'place') return
      if (!keep[index]) {
        if (item.in === 'file') rmSync(item.path)
      } else if (item.in === 'memory') {
        const { kind, digest } = item.key
        const algorithm = algorithmOf(digest)
        this.#append({ kind, algorithm, digest: digestBytes(digest) }, item.bytes, full)
      } else {
        moves.push({ from: item.path, to: objectPath(this.#options.home, item.key.digest) })
        published.objects.push(item.key)
      }
    }
    const held = this.#batches.get(batch) ?? []
    for (const [index, item] of held.entries()) if (item) storeHeld(item, index)
    freeMemory(held.flatMap(item => (item?.in === 'memory' ? [item.bytes] : [])))
    this.#batches.delete(batch)
    const tree = this.#trees.get(batch)
    if (tree) {
      const { algorithm } = this.#options.hasher
      tree.forEach((index, digest, content) => {
        if ('in' in content) storeHeld(content, index)
        else if (keep[index]) this.#append({ kind: 'blob', algorithm, digest }, content, full)
      })
      freeMemory([tree.digests])
      this.#trees.delete(batch)
      this.#arenas.push(tree.arena)
    }
    publishFiles(moves, this.#options.home)
    published.packs.push(...(await Promise.all(full)))
    return published
  }

  /** Makes all durable that was stored. */
  async finish(): Promise<Published> {
    const packs = this.#pack ? [await this.#finishPack(this.#pack)] : []
    // What they published, they answer themselves.
    await Promise.allSettled(this.#storing)
    return { packs, objects: [] }
  }

  #track(work: Promise<Published>): Promise<Published> {
    this.#storing.add(work)
    const end = () => this.#storing.delete(work)
    work.then(end, end)
    return work
  }

  async #readStable({ file, policy, refuseLinks }: SourceFile) {
    for (let attempt = 1; ; attempt += 1) {
      const fd = openSource(file, { refuseLinks })
      try {
        const before = fstatSync(fd, { bigint: true })
        const content = await this.#readOnce(fd, file, Number(before.size), policy)
        const after = fstatSync(fd, { bigint: true })
        const stable =
          before.size === after.size &&
          before.mtimeNs === after.mtimeNs &&
          before.ctimeNs === after.ctimeNs &&
          Number(after.size) === content.key.size
        if (stable) {
          const stat = {
            size: content.key.size,
            mtimeNs: String(after.mtimeNs),
            ctimeNs: String(after.ctimeNs),
            ino: String(after.ino),
          }
          return { content, stat }
        }
        if (content.in === 'file') rmSync(content.path)
      } finally {
        closeSync(fd)
      }
      if (attempt === ATTEMPTS) {
        throw new ArtifactError('FILE_CHANGED', `${file} changes while it is read`, {
          details: { file },
        })
      }
    }
  }

  async #readOnce(fd: number, file: string, size: number, policy: Policy): Promise<Held> {
    const { hasher } = this.#options
    if (policy === 'mutable' && size < LARGE_BYTES) {
      const bytes = this.#readWhole(fd, file, size)
      const key: BlobKey = { kind: 'blob', digest: hashBytes(hasher, bytes), size: bytes.length }
      return { in: 'memory', key, bytes }
    }
    hasher.init()
    if (policy === 'immutable') {
      const length = this.#readAll(fd, file, bytes => hasher.update(bytes))
      flushInPlace(fd, file)
      return { in: 'place', key: { kind: 'blob', digest: hasher.digest(), size: length } }
    }
    const path = join(this.#options.folder, `${randomBytes(8).toString('hex')}.object`)
    const out = new DirectWriter(path)
    try {
      let length = 0
      for (;;) {
        const { room } = out
        const read = readSome(fd, file, room, 0)
        if (read === 0) break
        // Meanwhile the bytes before these are written.
        hasher.update(room.subarray(0, read))
        await out.idle()
        out.advance(read)
        length += read
        this.onRead(file, length)
      }
      await out.end()
      fdatasyncSync(out.fd)
      sealObject(out.fd)
      return { in: 'file', key: { kind: 'blob', digest: hasher.digest(), size: length }, path }
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    } finally {
      await out.close()
    }
  }

  /** Reads `size` bytes, or fewer of a file that shrank; one that grew shows in its second stat. */
  #readWhole(fd: number, file: string, size: number): Uint8Array {
    // A file that claims to be empty may be one of /proc, which has bytes all the same.
    const bytes = Buffer.allocUnsafeSlow(Math.max(size, 1))
    let length = 0
    while (length < bytes.length) {
      const read = readSome(fd, file, bytes, length)
      if (read === 0) return bytes.subarray(0, length)
      length += read
    }
    return bytes
  }

  #readAll(fd: number, file: string, use: (bytes: Uint8Array) => void): number {
    this.#buffer ??= Buffer.allocUnsafeSlow(READ_BYTES)
    let length = 0
    for (;;) {
      const read = readSome(fd, file, this.#buffer, 0)
      if (read === 0) return length
      use(this.#buffer.subarray(0, read))
      length += read
      this.onRead(file, length)
    }
  }

  #append(
    { kind, algorithm, digest }: { kind: BlobKind; algorithm: Algorithm; digest: Uint8Array },
    bytes: Uint8Array,
    full: Promise<string>[],
  ): void {
    this.#pack ??= this.#startPack()
    const { length } = bytes
    const header: RawHeader = {
      kind: KIND_NUMBERS[kind],
      algorithm: ALGORITHMS[algorithm].id,
      encoding: 0,
      digest,
      plainLength: length,
      storedLength: length,
    }
    this.#pack.appendRaw(header, bytes)
    if (this.#pack.size >= PACK_BYTES || this.#pack.count >= PACK_RECORDS) {
      full.push(this.#finishPack(this.#pack))
    }
  }

  #startPack(): PackWriter {
    const packId = randomBytes(8).toString('hex')
    const { folder, storeId } = this.#options
    return new PackWriter(join(folder, `${packId}.pack`), { packId, storeId })
  }

  /** @returns its id, when it is durable and in its place. */
  async #finishPack(pack: PackWriter): Promise<string> {
    this.#pack = undefined
    const { packId } = await pack.finish()
    const { home } = this.#options
    publishFiles([{ from: pack.path, to: packPath(home, packId) }], home)
    return packId
  }
}
