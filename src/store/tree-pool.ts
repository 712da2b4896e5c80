import { availableParallelism } from 'node:os'
import pLimit from 'p-limit'
import type { ErrorData } from '../errors.js'
import { HasherSet } from '../hash/hasher.js'
import { TaskWorker } from '../hash/task-worker.js'
import { type Digest, parseDigest } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { cutRuns } from './cut-runs.js'
import { isQuickToLink } from './is-quick-to-link.js'
import { locateBlobs } from './locate-blobs.js'
import { readEntries } from './manifest.js'
import { ObjectLinker } from './object-linker.js'
import { checkAborted } from './progress.js'
import { listChunks } from './read-chunks.js'
import type { Store } from './store.js'
import { fileKey, type PlacedItem, type TreeItem } from './tree-files.js'
import { TreePaths } from './tree-path.js'
import { runTreeTask, type TreeTask } from './tree-task.js'

/** Files in one task: of as many as a folder often has, so that few write into the same at once. */
const BATCH_FILES = 512
/** Their bytes, unless one alone has more: progress is told after each task. */
const BATCH_BYTES = 32 * 1024 * 1024
const BATCH = {
  weigh: ({ size }: TreeItem) => size,
  most: BATCH_BYTES,
  count: BATCH_FILES,
}

/** A file that a reference stands for, and its bytes: null leaves it out. */
export interface ReferenceFile {
  path: string
  content: { digest: Digest; size: number } | null
}

/**
 * Says which files references stand for, any number for each. The answers must stay the same while
 * a version is worked on.
 */
export type ResolveReferences = (entries: Entry[]) => Promise<ReferenceFile[]>

export interface BatchOptions {
  signal?: AbortSignal
  /** Without it references are left out. */
  resolve?: ResolveReferences
}

/**
 * Worker threads over one folder, for as long as one checkout or verification takes. What takes less
 * time than to start one is done here.
 */
export class TreePool {
  readonly #folders: { home: string; root: string }
  readonly #size = availableParallelism()
  /** Started as tasks come: a few files need one. */
  readonly #workers: TaskWorker<TreeTask>[] = []
  #next = -1

  constructor(home: string, root: string) {
    this.#folders = { home, root }
  }

  async run<Value>(task: TreeTask): Promise<Value> {
    if (isQuickToLink(this.#folders, task)) {
      const { home, root } = this.#folders
      const [paths, hashers, linker] = [new TreePaths(root), new HasherSet(), new ObjectLinker()]
      return runTreeTask({ home, paths, hashers, linker }, task) as Value
    }
    this.#next = (this.#next + 1) % this.#size
    this.#workers[this.#next] ??= this.#start()
    return this.#workers[this.#next]!.run<Value>(task)
  }

  #start(): TaskWorker<TreeTask> {
    const url = new URL('./tree-worker.js', import.meta.url)
    return new TaskWorker<TreeTask>(url, this.#folders)
  }

  /**
   * Runs a task on the blobs of files.
   * @returns for each null, or the `BLOB_MISSING` or other error for which it was not done.
   */
  async runLocated(
    store: Store,
    items: TreeItem[],
    task: (placed: PlacedItem[]) => TreeTask,
  ): Promise<(ErrorData | null)[]> {
    const places = await placeItems(store, items)
    const placed = items.flatMap((item, index): PlacedItem[] => {
      const place = places[index]
      return place ? [{ ...item, place }] : []
    })
    const results = await this.run<(ErrorData | null)[]>(task(placed))
    return items.map(({ path, digest }, index) => {
      if (places[index]) return results.shift() ?? null
      const message = `the bytes of "${path}" are not in the store`
      return { code: 'BLOB_MISSING', message, details: { path, digest } }
    })
  }

  /** Calls `work` for batches of a version's files, two a worker at a time; fails with the first. */
  async forEachBatch(
    store: Store,
    pieces: Piece[],
    work: (items: TreeItem[], index: number) => Promise<void>,
    { signal, resolve }: BatchOptions = {},
  ): Promise<void> {
    const most = this.#size * 2
    const limit = pLimit(most)
    const running = new Set<Promise<void>>()
    let failure: { error: unknown } | undefined
    let index = 0
    const start = (items: TreeItem[]) => {
      const first = index
      index += items.length
      const batch = limit(() => work(items, first))
        .catch(error => {
          failure ??= { error }
        })
        .finally(() => running.delete(batch))
      running.add(batch)
    }
    try {
      for await (const items of batchItems(readEntries(store, pieces, { signal }), resolve)) {
        if (failure || signal?.aborted) break
        start(items)
        if (running.size >= most) await Promise.race(running)
      }
    } finally {
      // None is left at work when this ends, whatever ended it.
      await Promise.all(running)
    }
    if (failure) throw failure.error
    checkAborted(signal)
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map(worker => worker.close()))
  }
}

/** Where the bytes of files lie, those of their chunks too; null for what is not here. */
async function placeItems(
  store: Store,
  items: TreeItem[],
): Promise<(PlacedItem['place'] | null)[]> {
  const keys = items.map(fileKey)
  const found = await locateBlobs(store, keys)
  const places: (PlacedItem['place'] | null)[] = []
  for (const [index, place] of found.entries()) {
    if (place?.in === 'recipe') {
      const chunks = await listChunks(store, keys[index]!, place)
      places.push(chunks && { in: 'chunks', chunks })
    } else places.push(place)
  }
  return places
}

async function* batchItems(
  pieces: AsyncIterable<Entry[]>,
  resolve: ResolveReferences | undefined,
): AsyncGenerator<TreeItem[]> {
  for await (const entries of pieces) {
    for (const some of cutRuns(entries, { weigh: () => 1, most: BATCH_FILES })) {
      yield* cutRuns(await listItems(some, resolve), BATCH)
    }
  }
}

async function listItems(
  entries: Entry[],
  resolve: ResolveReferences | undefined,
): Promise<TreeItem[]> {
  const references = entries.filter(({ ref }) => ref !== undefined)
  const resolved = references.length > 0 && resolve ? await resolve(references) : []
  const files = entries.filter(({ ref }) => ref === undefined)
  return [
    ...files.map(({ path, digest, size }) => ({ path, digest: parseDigest(digest), size })),
    ...resolved.flatMap(({ path, content }) => (content ? { path, ...content } : [])),
  ]
}
