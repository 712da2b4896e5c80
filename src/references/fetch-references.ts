import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import pLimit from 'p-limit'
import { ArtifactError, type ErrorCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { contentName } from '../model/content-name.js'
import { homePaths } from '../model/home.js'
import type { Manifest } from '../model/version.js'
import { begunPath, keepBegun, takeBegun } from '../store/begun-files.js'
import { LARGE_BYTES } from '../store/file-ingester.js'
import { checkAborted, type WorkOptions } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { removeDeadWriters } from '../store/writer-folder.js'
import { fetchReference } from './fetch-reference.js'
import { listReferences } from './list-references.js'
import type { OpenHandler } from './open-handler.js'
import { isUnverifiable, type ReferenceContents } from './reference-contents.js'
import type { ReferenceExpander } from './reference-expander.js'
import type { ReferenceEntry } from './reference-handler.js'
import { MemorySink, openFileSink } from './reference-sink.js'

/** Downloads at a time. */
const PARALLEL = 16
/** References whose bytes share one flush of the store, and bytes after which there is another. */
const BATCH = 1024
const FLUSH_BYTES = 256 * 1024 * 1024

export interface MissingReference {
  path: string
  ref: string
  error: ArtifactError
}

export interface FetchReferencesOptions extends WorkOptions {
  openHandler: OpenHandler
  contents: ReferenceContents
  expander: ReferenceExpander
  /**
   * Called for each reference that cannot be had as it was recorded; without it the first such one
   * ends the call.
   */
  onMissing?: (missing: MissingReference) => void
}

/**
 * Brings the bytes of a version's references into the store, of those that are not there. Each URI
 * is downloaded once, {@link PARALLEL} at a time; `contents` then knows them.
 *
 * @returns the bytes that were downloaded.
 * @throws as `fetchReference`, naming the entry; `INTERRUPTED`.
 */
export async function fetchReferences(
  store: Store,
  { pieces, fileCount }: Manifest,
  options: FetchReferencesOptions,
): Promise<number> {
  const fetcher = new ReferenceFetcher(store, options, fileCount)
  const waiting: ReferenceEntry[] = []
  for await (const entries of listReferences(store, pieces, options)) {
    for (const { entry, files, error } of await options.expander.expand(entries, options)) {
      if (error) fetcher.leaveOut(entry, error)
      for (const file of files) waiting.push(file)
    }
    while (waiting.length >= BATCH) await fetcher.fetch(waiting.splice(0, BATCH))
  }
  await fetcher.fetch(waiting)
  return fetcher.bytes
}

class ReferenceFetcher {
  readonly #store: Store
  readonly #options: FetchReferencesOptions
  readonly #totalFiles: number
  #files = 0
  #salvaged: Promise<void> | undefined
  bytes = 0

  constructor(store: Store, options: FetchReferencesOptions, totalFiles: number) {
    this.#store = store
    this.#options = options
    this.#totalFiles = totalFiles
  }

  /** @throws the error, naming the entry, when nothing may be missing. */
  leaveOut(entry: ReferenceEntry, error: ArtifactError): void {
    const { onMissing } = this.#options
    if (!onMissing || !isMissing(error)) throw nameEntry(error, entry)
    onMissing({ path: entry.path, ref: entry.ref, error })
  }

  async fetch(entries: ReferenceEntry[]): Promise<void> {
    if (entries.length === 0) return
    const { contents, signal } = this.#options
    const known = await contents.find(entries)
    const absent = new Map<string, ReferenceEntry>()
    entries.forEach((entry, index) => {
      const name = contentName(entry)
      if (!known[index] && !absent.has(name)) absent.set(name, entry)
    })
    const failed = new Map<string, ArtifactError>()
    const stop = new AbortController()
    const stopped = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
    const fetched = new FetchedContents(this.#store, contents)
    const limit = pLimit(PARALLEL)
    const work = [...absent].map(([name, entry]) =>
      limit(async () => {
        if (stopped.aborted) return
        try {
          await fetched.add(entry, await this.#fetchOne(entry, stopped))
        } catch (error) {
          if (this.#options.onMissing && isMissing(error)) failed.set(name, error)
          else {
            stop.abort()
            throw nameEntry(error, entry)
          }
        }
      }),
    )
    const ends = await Promise.allSettled(work)
    checkAborted(signal)
    // The first is the one that stopped the others.
    const failures = ends.flatMap(end => (end.status === 'rejected' ? [end.reason] : []))
    const cause = failures.find(error => !isInterrupted(error)) ?? failures[0]
    await fetched.keep()
    if (cause !== undefined) throw cause
    for (const entry of entries) {
      const error = failed.get(contentName(entry))
      if (error) this.#options.onMissing?.({ path: entry.path, ref: entry.ref, error })
    }
    this.#files += entries.length
    this.#report()
  }

  async #fetchOne(entry: ReferenceEntry, signal: AbortSignal): Promise<BlobKey> {
    const handler = await this.#options.openHandler(entry.ref)
    const ingest = this.#store.ingest()
    const onBytes = (bytes: number) => {
      this.bytes += bytes
      this.#report()
    }
    if (entry.size < LARGE_BYTES && !entry.extra?.sizeUnknown) {
      const sink = new MemorySink()
      await fetchReference(handler, entry, { sink, signal, onBytes })
      const { bytes } = sink
      const [stored] = await ingest.addBytes('blob', [bytes])
      return { kind: 'blob', digest: stored!.digest, size: bytes.length }
    }
    const { tmp } = homePaths(this.#store.home)
    const folder = await ingest.folder()
    // A process that was killed since this one began may have left the beginning.
    this.#salvaged ??= removeDeadWriters(tmp, folder)
    await this.#salvaged
    const file = begunPath(folder, downloadName(entry))
    const resumes = !isUnverifiable(entry) && !entry.extra?.sizeUnknown
    try {
      const sink = await openFileSink(file, resumes ? takeBegun(tmp, file) : 0)
      await fetchReference(handler, entry, { sink, signal, onBytes })
      const { digest, stat } = await ingest.addFile(file, 'mutable')
      return { kind: 'blob', digest, size: stat.size }
    } catch (error) {
      if (resumes && error instanceof ArtifactError && RESUMED.has(error.code)) {
        keepBegun(tmp, file)
      }
      throw error
    } finally {
      await rm(file, { force: true })
    }
  }

  #report(): void {
    this.#options.onProgress?.({
      step: 'download',
      files: this.#files,
      bytes: this.bytes,
      totalFiles: this.#totalFiles,
    })
  }
}

/** Contents that were fetched and, some at a time, are made durable and remembered. */
class FetchedContents {
  readonly #store: Store
  readonly #contents: ReferenceContents
  #fetched: { entry: ReferenceEntry; key: BlobKey }[] = []
  #bytes = 0

  constructor(store: Store, contents: ReferenceContents) {
    this.#store = store
    this.#contents = contents
  }

  async add(entry: ReferenceEntry, key: BlobKey): Promise<void> {
    this.#fetched.push({ entry, key })
    this.#bytes += key.size
    if (this.#bytes >= FLUSH_BYTES) await this.keep()
  }

  async keep(): Promise<void> {
    const fetched = this.#fetched
    if (fetched.length === 0) return
    this.#fetched = []
    this.#bytes = 0
    await this.#store.ingest().finish()
    await this.#contents.remember(fetched)
  }
}

/** 64 hex digits for the recorded bytes of an entry. */
function downloadName(entry: ReferenceEntry): string {
  return createHash('sha256')
    .update(`${contentName(entry)}\0${entry.size}`)
    .digest('hex')
}

/** Failures after which the rest may come another time. */
const RESUMED = new Set<ErrorCode>(['INTERRUPTED', 'REFERENCE_FAILED', 'REFERENCE_DENIED'])

function isInterrupted(error: unknown): boolean {
  return error instanceof ArtifactError && error.code === 'INTERRUPTED'
}

/** Failures of what the reference leads to, besides those whose codes begin with REFERENCE_. */
const MISSING = new Set<ErrorCode>([
  'INVALID_URI',
  'URI_HAS_CREDENTIALS',
  'TOO_MANY_OBJECTS',
  'INVALID_PATH',
  'ENTRY_CONFLICT',
])

/** Failures of the reference; those of the store and of the installation are not. */
function isMissing(error: unknown): error is ArtifactError {
  if (!(error instanceof ArtifactError)) return false
  return MISSING.has(error.code) || error.code.startsWith('REFERENCE_')
}

function nameEntry(error: unknown, { path, ref }: ReferenceEntry): unknown {
  if (!(error instanceof ArtifactError) || error.details.path !== undefined) return error
  return new ArtifactError(error.code, `"${path}": ${error.message}`, {
    cause: error,
    // One with credentials is not repeated.
    details: { ...(error.code !== 'URI_HAS_CREDENTIALS' && { uri: ref }), ...error.details, path },
  })
}
