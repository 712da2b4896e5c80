import { availableParallelism } from 'node:os'
import type { Catalog } from '../catalog/catalog.js'
import { ArtifactError, isArtifactError, storeError } from '../errors.js'
import { ownTurn } from '../hash/own-turn.js'
import type { BlobKind } from '../model/blob-key.js'
import type { Algorithm, Digest } from '../model/digest.js'
import { type BatchContents, claimContents, joinDigests, locateContents } from './batch-contents.js'
import { Claims } from './claims.js'
import { cutRuns } from './cut-runs.js'
import type { FileColumns, Policy, Published, ReadColumns, ReadOutcome } from './file-ingester.js'
import { buffersOf, type ReadSoFar, type ScanTask } from './ingest-task.js'
import { type IngestThread, takeIngestThread } from './ingest-thread.js'
import { putStatRecords, type StatRecord } from './put-stat-records.js'
import type { ScannedFolder } from './scan-folder.js'
import {
  type AddFileOptions,
  type ReadFiles,
  type SourceFile,
  type StoredFile,
  storeFiles,
  type WaitingFile,
} from './store-files.js'
import { createWriterFolder, type WriterFolder } from './writer-folder.js'

/** Files in one batch: below it, at most 64 × 256 KiB = 16 MiB are held in memory. */
const BATCH_FILES = 64
/** Batches that a worker has at once: one is read while the catalog is asked about another. */
const BATCHES_A_WORKER = 2
/** Files that wait before `ready` holds a caller back. */
const QUEUE_FILES = 1024

export interface StoredBytes {
  digest: Digest
  isNew: boolean
}

/** Work for a worker; `urgent` is what frees memory: reading before looking for more. */
interface Job {
  urgent: boolean
  run(worker: IngestThread): Promise<void>
  reject(error: unknown): void
}

export interface IngestOptions {
  home: string
  storeId: string
  algorithm: Algorithm
  catalog: Catalog
}

/** What a job may ask of its worker. */
export interface IngestWorker {
  scan(scan: ScanTask): Promise<ScannedFolder[]>
  /** The columns move. @param mayHave whether the store may have any of the content already. */
  store(
    columns: FileColumns,
    options: { mayHave: boolean; onRead: (read: ReadSoFar) => void },
  ): Promise<ReadColumns & { isNew: boolean[] }>
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
  readonly #queue: WaitingFile[] = []
  readonly #jobs: Job[] = []
  readonly #claims: Claims<IngestThread>
  readonly #published: Published = { packs: [], objects: [] }
  readonly #workers: { worker: IngestThread; batches: number }[] = []
  readonly #running = new Set<Promise<unknown>>()
  readonly #publishing = new Set<Promise<void>>()
  readonly #folders: StatRecord[] = []
  #folder: Promise<WriterFolder> | undefined
  #first: Promise<IngestThread> | undefined
  #spawning = 0
  #nextBatch = 0
  #failure: unknown
  #onRoom: (() => void)[] = []

  constructor(options: IngestOptions) {
    this.#options = options
    this.#claims = new Claims(options.algorithm)
  }

  /** The error that ended this ingest, if one did. */
  get failure(): unknown {
    return this.#failure
  }

  /** Stores one file, given by its absolute path. */
  addFile(
    file: string,
    policy: Policy,
    { onRead, refuseLinks = false }: AddFileOptions = {},
  ): Promise<StoredFile> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ file, policy, refuseLinks, onRead, resolve, reject })
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
    for (const some of cutRuns(parts, { weigh: () => 1, most: BATCH_FILES })) {
      stored.push(...(await this.#guard(() => this.#storeBytes(kind, some))))
    }
    return stored
  }

  /** Starts a worker for work that is about to come; others are started when there is enough of it. */
  prepare(): void {
    if (this.#workers.length + this.#spawning === 0) this.#spawn()
  }

  /** Runs work on the next free worker. What it throws ends the ingest if it is the store's. */
  schedule<T>(work: (worker: IngestWorker) => Promise<T>, urgent = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = async (worker: IngestThread) => {
        try {
          resolve(await work(this.#lend(worker)))
        } catch (error) {
          if (!isCallersFault(error)) this.#fail(error)
          reject(error)
        }
      }
      this.#jobs.push({ urgent, run, reject })
      this.#drain()
    })
  }

  #lend(worker: IngestThread): IngestWorker {
    return {
      scan: scan => worker.run({ do: 'scan', scan }),
      store: async (columns, { mayHave, onRead }) => {
        const batch = this.#nextBatch++
        const task = { do: 'readColumns', batch, columns } as const
        const read = await worker.run<ReadColumns, ReadSoFar>(task, buffersOf(columns), onRead)
        const digests = read.error ? new Uint8Array() : read.digests
        const isNew = await this.#keep(worker, batch, { kind: 'blob', digests }, { mayHave })
        if (read.error) throw ArtifactError.from(read.error)
        return { ...read, isNew }
      },
    }
  }

  /** Keeps records of the stat cache once what they vouch for is durable: at the next `finish`. */
  rememberFolders(records: StatRecord[]): void {
    this.#folders.push(...records)
  }

  /** A folder for temporary files of this process, on the file system of the store. */
  async folder(): Promise<string> {
    return this.#guard(async () => {
      this.#folder ??= createWriterFolder(this.#options.home)
      return (await this.#folder).path
    })
  }

  /** As `finish`, for the sake of memory: what came in is told by the next `finish`. */
  async flush(): Promise<void> {
    const { packs, objects } = await this.#flush()
    this.#published.packs.push(...packs)
    this.#published.objects.push(...objects)
  }

  /**
   * Flushes what was added, as far as its promises resolved, and makes it locatable. More may be
   * added meanwhile and afterwards.
   * @returns the packs and objects that came in since the last call.
   */
  async finish(): Promise<Published> {
    const published = await this.#flush()
    // What is added next may find that what was here has been removed.
    this.#claims.forget()
    return published
  }

  #flush(): Promise<Published> {
    return this.#guard(async () => {
      const folders = this.#folders.splice(0)
      await Promise.all(
        this.#workers.map(async ({ worker }) => {
          const before = this.#claims.count(worker)
          await this.#publish(await worker.run<Published>({ do: 'finish' }))
          this.#claims.release(worker, before)
        }),
      )
      await Promise.all(this.#publishing)
      if (this.#failure !== undefined) throw this.#failure
      const { catalog } = this.#options
      await putStatRecords(catalog, folders)
      const { packs, objects } = this.#published
      return { packs: packs.splice(0), objects: objects.splice(0) }
    })
  }

  /** Ends the workers and drops what was not finished. */
  async close(): Promise<void> {
    this.#fail(new ArtifactError('STORE_FAILED', 'the ingest is closed'))
    await Promise.allSettled(this.#running)
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
    for (let batches = 0; batches < BATCHES_A_WORKER; batches += 1) {
      for (const slot of this.#workers) {
        if (slot.batches > batches) continue
        const work = this.#next(slot.worker)
        if (!work) break
        slot.batches += 1
        this.#track(
          work.finally(() => {
            slot.batches -= 1
            this.#drain()
          }),
        )
      }
    }
    if (this.#queue.length < QUEUE_FILES) for (const resolve of this.#onRoom.splice(0)) resolve()
    const workers = this.#workers.length + this.#spawning
    const waiting = this.#queue.length + this.#jobs.length * BATCH_FILES
    if (waiting >= workers * BATCH_FILES + 1 && workers < availableParallelism()) this.#spawn()
  }

  /** Begins the next piece of work on a worker; undefined when nothing waits. */
  #next(worker: IngestThread): Promise<void> | undefined {
    const urgent = this.#jobs.findIndex(job => job.urgent)
    if (urgent >= 0) return this.#jobs.splice(urgent, 1)[0]!.run(worker)
    if (this.#queue.length > 0) return this.#storeFiles(worker, this.#queue.splice(0, BATCH_FILES))
    return this.#jobs.shift()?.run(worker)
  }

  #spawn(): void {
    this.#spawning += 1
    this.#track(
      this.#addWorker()
        .catch(error => this.#fail(error))
        .finally(() => {
          this.#spawning -= 1
          this.#drain()
        }),
    )
  }

  /** A worker for what need not be spread; the first is made once, however many ask at once. */
  async #anyWorker(): Promise<IngestThread> {
    const [slot] = this.#workers
    if (slot) return slot.worker
    this.#first ??= this.#addWorker()
    return this.#first
  }

  async #addWorker(): Promise<IngestThread> {
    const { home, storeId, algorithm } = this.#options
    const folder = await this.folder()
    await ownTurn()
    const worker = takeIngestThread()
    const opened = worker.run({ do: 'open', home, storeId, folder, algorithm })
    opened.catch(error => this.#fail(error))
    this.#workers.push({ worker, batches: 0 })
    return worker
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }

  async #storeFiles(worker: IngestThread, waiting: WaitingFile[]): Promise<void> {
    try {
      const read: ReadFiles = (files, onRead) => this.#readFiles(worker, files, onRead)
      const remember = (records: StatRecord[]) => this.rememberFolders(records)
      const folder = await this.folder()
      await storeFiles(waiting, { ...this.#options, folder, read, remember })
    } catch (error) {
      this.#fail(error)
      for (const { reject } of waiting) reject(this.#failure)
    }
  }

  async #readFiles(
    worker: IngestThread,
    files: SourceFile[],
    onRead: (read: ReadSoFar) => void,
  ): ReturnType<ReadFiles> {
    const batch = this.#nextBatch++
    const task = { do: 'read', batch, files } as const
    const outcomes = await worker.run<ReadOutcome[], ReadSoFar>(task, [], onRead)
    const kept = await this.#keep(worker, batch, {
      kind: 'blob',
      digests: joinDigests(
        this.#options.algorithm,
        outcomes.map(outcome => ('digest' in outcome ? outcome.digest : undefined)),
      ),
      isAbsent: index => 'error' in outcomes[index]!,
      isInPlace: index => files[index]!.policy === 'immutable',
    })
    return { outcomes, kept }
  }

  async #storeBytes(kind: BlobKind, parts: Uint8Array[]): Promise<StoredBytes[]> {
    const worker = await this.#anyWorker()
    const batch = this.#nextBatch++
    const digests = await worker.run<Digest[]>({ do: 'readBytes', batch, kind, parts })
    const kept = await this.#keep(worker, batch, {
      kind,
      digests: joinDigests(this.#options.algorithm, digests),
    })
    return digests.map((digest, index) => ({ digest, isNew: kept[index] ?? false }))
  }

  /** Tells a worker which items of its batch are new. Claim and task are one step, unbroken. */
  async #keep(
    worker: IngestThread,
    batch: number,
    contents: BatchContents,
    { mayHave = true }: { mayHave?: boolean } = {},
  ): Promise<boolean[]> {
    const { algorithm, catalog } = this.#options
    const claims = this.#claims
    const where = { algorithm, catalog, claims }
    const mayKnow = mayHave || claims.forgot
    const known = mayKnow ? await locateContents(contents, where) : undefined
    const before = claims.count(worker)
    const keep = claimContents(contents, { algorithm, claims, writer: worker, known })
    const published = await worker.run<Published>({ do: 'store', batch, keep })
    await this.#publish(published)
    // The batch itself may lie in two packs, so that only what came before it is sure to be there.
    if (published.packs.length > 0) claims.release(worker, before)
    return keep
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
    for (const { reject } of this.#jobs.splice(0)) reject(this.#failure)
    for (const resolve of this.#onRoom.splice(0)) resolve()
  }
}

/** Errors of one add; all others are the store's and end the whole ingest. */
function isCallersFault(error: unknown): boolean {
  return isArtifactError(error) && /^(?:FILE_|INVALID_|INTERRUPTED)/.test(error.code)
}
