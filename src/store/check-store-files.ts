import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { isReadOnly } from '../disk/check-writable.js'
import { storeError, systemCode } from '../errors.js'
import { TaskWorker } from '../hash/task-worker.js'
import { homePaths } from '../model/home.js'
import type { CheckedFile, CheckTask } from './check-bytes.js'
import { listStoredFiles, type StoredFile } from './list-stored-files.js'
import { checkAborted, type WorkOptions } from './progress.js'

/** A run that was interrupted longer ago than this begins anew. */
const RESUME_MS = 7 * 24 * 3600 * 1000
/** Between two notes of how far a run has come, and two calls of `onProgress`. */
const NOTE_MS = 1000
const REPORT_MS = 100

/** What one run found so far; noted in the store, so that the next goes on there. */
export interface StoreCheck {
  /** ISO 8601, of the first run. */
  startedAt: string
  /** Every file up to this path was hashed; null: none. */
  after: string | null
  files: number
  records: number
  bytes: number
  damaged: CheckedFile['damaged']
  /** Ids of packs with a damaged header or index. */
  unsound: string[]
}

export interface StoreCheckOptions extends WorkOptions {
  /** Begin with the first file, whatever an interrupted run has done. Default false. */
  restart?: boolean
}

/**
 * Hashes all packs and objects of a store, on all cores, each file from its start to its end. It
 * notes how far it came, and the next call goes on from there, until `forgetStoreCheck`; files that
 * were added before that place meanwhile are then left out.
 * @throws `STORE_FAILED`, naming the file, when one cannot be read; `INTERRUPTED`.
 */
export async function checkStoreFiles(
  home: string,
  { signal, onProgress, restart = false }: StoreCheckOptions = {},
): Promise<StoreCheck> {
  const check = (restart ? undefined : readCheck(home)) ?? {
    ...{ startedAt: new Date().toISOString(), after: null },
    ...{ files: 0, records: 0, bytes: 0, damaged: [], unsound: [] },
  }
  const { after } = check
  const files = listStoredFiles(home).filter(({ task }) => after === null || task.path > after)
  const totalFiles = check.files + files.length
  const totalBytes = files.reduce((sum, { size }) => sum + size, check.bytes)
  const before = check.bytes
  const done = new BigInt64Array(new SharedArrayBuffer(8))
  const report = (bytes: number) =>
    onProgress?.({ step: 'verify', files: check.files, bytes, totalFiles, totalBytes })
  const timer = setInterval(() => report(before + Number(Atomics.load(done, 0))), REPORT_MS)
  try {
    await new Run(home, check, { files, done, signal }).work()
  } finally {
    clearInterval(timer)
  }
  report(check.bytes)
  return check
}

/** Ends a run: the next call begins anew. */
export function forgetStoreCheck(home: string): void {
  const path = homePaths(home).verifyState
  try {
    rmSync(path, { force: true })
  } catch (error) {
    throw storeError(error, `removing ${path}`)
  }
}

class Run {
  readonly #home: string
  readonly #check: StoreCheck
  readonly #files: StoredFile[]
  readonly #workers: TaskWorker<CheckTask>[]
  readonly #signal: AbortSignal | undefined
  /** Of files behind the first that is not done. */
  readonly #results: (CheckedFile | undefined)[] = []
  #next = 0
  #counted = 0
  #notedAt = 0

  constructor(
    home: string,
    check: StoreCheck,
    {
      files,
      done,
      signal,
    }: { files: StoredFile[]; done: BigInt64Array; signal: AbortSignal | undefined },
  ) {
    this.#home = home
    this.#check = check
    this.#files = files
    this.#signal = signal
    const url = new URL('./check-worker.js', import.meta.url)
    const count = Math.min(availableParallelism(), files.length)
    this.#workers = Array.from({ length: count }, () => new TaskWorker(url, { home, done }))
  }

  async work(): Promise<void> {
    const close = () => Promise.all(this.#workers.map(worker => worker.close()))
    // A large file is not waited for.
    const abort = () => void close()
    this.#signal?.addEventListener('abort', abort)
    try {
      await Promise.all(this.#workers.map(worker => this.#drain(worker)))
    } catch (error) {
      // Of a worker that was ended, if it was cancelled.
      checkAborted(this.#signal)
      throw error
    } finally {
      if (this.#counted > 0) this.#note()
      this.#signal?.removeEventListener('abort', abort)
      await close()
    }
    checkAborted(this.#signal)
  }

  async #drain(worker: TaskWorker<CheckTask>): Promise<void> {
    while (this.#next < this.#files.length && !this.#signal?.aborted) {
      const index = this.#next++
      this.#results[index] = await worker.run<CheckedFile>(this.#files[index]!.task)
      this.#count()
    }
  }

  /** Takes in what is done without a gap. */
  #count(): void {
    for (;;) {
      const result = this.#results[this.#counted]
      if (!result) break
      delete this.#results[this.#counted]
      const { size, task } = this.#files[this.#counted]!
      this.#check.after = task.path
      this.#check.files += 1
      this.#check.bytes += size
      this.#check.records += result.records
      this.#check.damaged.push(...result.damaged)
      if (task.do === 'pack' && !result.sound) this.#check.unsound.push(task.packId)
      this.#counted += 1
    }
    if (this.#counted > 0 && Date.now() - this.#notedAt >= NOTE_MS) this.#note()
  }

  #note(): void {
    const path = homePaths(this.#home).verifyState
    // A store that can only be read is hashed all the same, from its start.
    if (isReadOnly(this.#home)) return
    const temporary = `${path}.${process.pid}`
    try {
      writeFileSync(temporary, JSON.stringify(this.#check), { mode: 0o600 })
      renameSync(temporary, path)
    } catch (error) {
      throw storeError(error, `writing ${path}`)
    }
    this.#notedAt = Date.now()
  }
}

/** The state of a run that was interrupted, unless it is old or cannot be read. */
function readCheck(home: string): StoreCheck | undefined {
  const path = homePaths(home).verifyState
  try {
    const check = JSON.parse(readFileSync(path, 'utf8')) as StoreCheck
    return Date.now() - Date.parse(check.startedAt) < RESUME_MS ? check : undefined
  } catch (error) {
    // What is no JSON was not written whole.
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw storeError(error, `reading ${path}`)
  }
}
