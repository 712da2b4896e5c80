import { availableParallelism } from 'node:os'
import { type Catalog, MAX_BATCH } from '../catalog/catalog.js'
import { ArtifactError, storeError } from '../errors.js'
import { TaskWorker } from '../hash/task-worker.js'
import { type BlobKey, type BlobKind, blobKeyString } from '../model/blob-key.js'
import type { Algorithm, Digest } from '../model/digest.js'
import type { FileStat, Policy, Published, ReadOutcome } from './file-ingester.js'
import type { IngestTask } from './ingest-task.js'
import { createWriterFolder, type WriterFolder } from './writer-folder.js'

/** Files in one batch: below it, at most 64 × 256 KiB = 16 MiB are held in memory. */
const BATCH_FILES = 64
/** Batches that a worker has at once: one is read while the catalog is asked about another. */
const BATCHES_A_WORKER = 2
/** Files that wait before `ready` holds a caller back. */
const QUEUE_FILES = 1024

export interface StoredFile {
  digest: Digest
  stat: FileStat
  /** The store did not have the content before. */
  isNew: boolean
}

export interface StoredBytes {
  digest: Digest
  isNew: boolean
}

interface Waiting {
  file: string
  policy: Policy
  resolve(stored: StoredFile): void
  reject(error: unknown): void
}

export interface IngestOptions {
  home: string
  storeId: string
  algorithm: Algorithm
  catalog: Catalog
}

/**
 * Brings files and bytes into a store, through worker threads that read, hash and write. Content
 * that the store has, or that this ingest saw before, is written once. What was added is durable
 * and locatable after `finish`; before that nothing refers to it. One ingest serves any number of
 * artifacts at a time.
 *
 * A failure of one file rejects that file's promise only. A failure of the store (a full disk, say)
 * fails the ingest: everything that waits and every later call rejects with the same error.
 */
export class Ingest {
  readonly #options: IngestOptions
  readonly #queue: Waiting[] = []
  readonly #claimed = new Set<string>()
  readonly #published: Published = { packs: [], objects: [] }
  readonly #workers: { worker: TaskWorker<IngestTask>; batches: number }[] = []
  readonly #running = new Set<Promise<unknown>>()
  readonly #publishing = new Set<Promise<void>>()
  #folder: Promise<WriterFolder> | undefined
  #spawning = false
  #nextBatch = 0
  #failure: unknown
  #onRoom: (() => void)[] = []

  constructor(options: IngestOptions) {
    this.#options = options
  }

  /** The error that ended this ingest, if one did. */
  get failure(): unknown {
    return this.#failure
  }

  /** Stores one file, given by its absolute path. */
  addFile(file: string, policy: Policy): Promise<StoredFile> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ file, policy, resolve, reject })
      this.#drain()
    })
  }

  /** Resolves when few enough files wait for another to be added. */
  async ready(): Promise<void> {
    while (this.#queue.length >= QUEUE_FILES && this.#failure === undefined) {
      await new Promise<void>(resolve => this.#onRoom.push(resolve))
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Stores bytes under a kind; the answers are in the order of `parts`. */
  async addBytes(kind: BlobKind, parts: Uint8Array[]): Promise<StoredBytes[]> {
    const stored: StoredBytes[] = []
    for (let start = 0; start < parts.length; start += BATCH_FILES) {
      const some = parts.slice(start, start + BATCH_FILES)
      stored.push(...(await this.#guard(() => this.#storeBytes(kind, some))))
    }
    return stored
  }

  /** A folder for temporary files of this process, on the file system of the store. */
  async folder(): Promise<string> {
    this.#folder ??= createWriterFolder(this.#options.home)
    return (await this.#folder).path
  }

  /**
   * Flushes what was added, as far as its promises resolved, and makes it locatable. More may be
   * added meanwhile and afterwards.
   * @returns the packs and objects that came in since the last call.
   */
  async finish(): Promise<Published> {
    return this.#guard(async () => {
      for (const { worker } of this.#workers) {
        const published = await worker.run<Published>({ do: 'finish' })
        void this.#publish(published)
      }
      await Promise.all(this.#publishing)
      if (this.#failure !== undefined) throw this.#failure
      const { packs, objects } = this.#published
      return { packs: packs.splice(0), objects: objects.splice(0) }
    })
  }

  /** Ends the workers and drops what was not finished. */
  async close(): Promise<void> {
    this.#fail(new ArtifactError('STORE_FAILED', 'the ingest is closed'))
    await Promise.allSettled([...this.#running])
    for (const { worker } of this.#workers.splice(0)) await worker.close()
    const folder = await this.#folder?.catch(() => undefined)
    this.#folder = undefined
    await folder?.close()
  }

  #drain(): void {
    if (this.#failure !== undefined) {
      this.#fail(this.#failure)
      return
    }
    for (const slot of this.#workers) {
      while (slot.batches < BATCHES_A_WORKER && this.#queue.length > 0) {
        const batch = this.#queue.splice(0, BATCH_FILES)
        slot.batches += 1
        this.#track(
          this.#storeFiles(slot.worker, batch).finally(() => {
            slot.batches -= 1
            this.#drain()
          }),
        )
      }
    }
    if (this.#queue.length < QUEUE_FILES) for (const resolve of this.#onRoom.splice(0)) resolve()
    const wanted = this.#workers.length === 0 ? 1 : BATCH_FILES
    if (this.#queue.length >= wanted && this.#workers.length < availableParallelism()) this.#spawn()
  }

  #spawn(): void {
    if (this.#spawning) return
    this.#spawning = true
    this.#track(
      this.#addWorker()
        .catch(error => this.#fail(error))
        .finally(() => {
          this.#spawning = false
          this.#drain()
        }),
    )
  }

  async #addWorker(): Promise<TaskWorker<IngestTask>> {
    const { home, storeId, algorithm } = this.#options
    const folder = await this.folder()
    const url = new URL('./ingest-worker.js', import.meta.url)
    const worker = new TaskWorker<IngestTask>(url, { home, storeId, folder, algorithm })
    this.#workers.push({ worker, batches: 0 })
    return worker
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }

  async #storeFiles(worker: TaskWorker<IngestTask>, waiting: Waiting[]): Promise<void> {
    const batch = this.#nextBatch++
    const files = waiting.map(({ file, policy }) => ({ file, policy }))
    try {
      const outcomes = await worker.run<ReadOutcome[]>({ do: 'read', batch, files })
      const keys = outcomes.map(outcome => ('digest' in outcome ? blobKey(outcome) : undefined))
      const inPlace = (index: number) => files[index]?.policy === 'immutable'
      const kept = await this.#keep(worker, batch, keys, inPlace)
      outcomes.forEach((outcome, index) => {
        const { resolve, reject } = waiting[index]!
        if ('error' in outcome) reject(ArtifactError.from(outcome.error))
        else resolve({ ...outcome, isNew: kept[index] ?? false })
      })
    } catch (error) {
      this.#fail(error)
      for (const { reject } of waiting) reject(this.#failure)
    }
  }

  async #storeBytes(kind: BlobKind, parts: Uint8Array[]): Promise<StoredBytes[]> {
    const worker = this.#workers[0]?.worker ?? (await this.#addWorker())
    const batch = this.#nextBatch++
    const digests = await worker.run<Digest[]>({ do: 'readBytes', batch, kind, parts })
    const keys = digests.map((digest, index) => ({ kind, digest, size: parts[index]!.length }))
    const kept = await this.#keep(worker, batch, keys)
    return digests.map((digest, index) => ({ digest, isNew: kept[index] ?? false }))
  }

  /** Tells a worker which items of its batch are new. Claim and task are one step, unbroken. */
  async #keep(
    worker: TaskWorker<IngestTask>,
    batch: number,
    keys: (BlobKey | undefined)[],
    inPlace: (index: number) => boolean = () => false,
  ): Promise<boolean[]> {
    const asked = keys.filter(
      (key): key is BlobKey => key !== undefined && !this.#claimed.has(blobKeyString(key)),
    )
    const known = await this.#locate(asked)
    const keep = keys.map((key, index) => {
      if (!key) return false
      const name = blobKeyString(key)
      if (known.has(name) || this.#claimed.has(name)) return false
      // What stays in place is not in the store, and must not stand for a copy there.
      if (!inPlace(index)) this.#claimed.add(name)
      return true
    })
    await this.#publish(await worker.run<Published>({ do: 'store', batch, keep }))
    return keep
  }

  async #locate(keys: BlobKey[]): Promise<Set<string>> {
    const known = new Set<string>()
    for (let start = 0; start < keys.length; start += MAX_BATCH) {
      const some = keys.slice(start, start + MAX_BATCH)
      const locations = await this.#options.catalog.locate(some)
      some.forEach((key, index) => {
        if (locations[index]) known.add(blobKeyString(key))
      })
    }
    return known
  }

  #publish(published: Published): Promise<void> {
    const work = this.#enter(published).catch(error => {
      this.#fail(error)
      throw this.#failure
    })
    this.#publishing.add(work)
    const done = () => this.#publishing.delete(work)
    work.then(done, done)
    return work
  }

  async #enter({ packs, objects }: Published): Promise<void> {
    const { catalog } = this.#options
    for (const packId of packs) await catalog.addPack(packId)
    if (objects.length > 0) await catalog.addObjects(objects)
    this.#published.packs.push(...packs)
    this.#published.objects.push(...objects)
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return await work()
    } catch (error) {
      this.#fail(error)
      throw this.#failure
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= storeError(error, 'storing')
    for (const { reject } of this.#queue.splice(0)) reject(this.#failure)
    for (const resolve of this.#onRoom.splice(0)) resolve()
  }
}

function blobKey(outcome: { digest: Digest; stat: { size: number } }): BlobKey {
  return { kind: 'blob', digest: outcome.digest, size: outcome.stat.size }
}
