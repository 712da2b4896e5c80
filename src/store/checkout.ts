import { lstatSync, mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { ArtifactError, type ErrorData, storeError, systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Manifest } from '../model/version.js'
import { locateBlobs } from './locate-blobs.js'
import type { WorkOptions } from './progress.js'
import type { Store } from './store.js'
import type { PlacedItem, TreeItem, TreeState } from './tree-files.js'
import { conflict } from './tree-path.js'
import { TreePool } from './tree-pool.js'

/** Conflicts that one error names. */
const NAMED_CONFLICTS = 20

export interface CheckoutOptions extends WorkOptions {
  /** Replace files with other content even if the store does not have it. Default false. */
  overwrite?: boolean
}

export interface CheckoutResult {
  root: string
  written: number
  /** Files that were there already, with the right content. */
  kept: number
}

/**
 * Writes the files of a version below `root`. Every byte is verified before its file appears.
 * Files that the version does not have stay. A file in the way is replaced when its content is in
 * the store, so that nothing is lost by it.
 *
 * @throws `CHECKOUT_CONFLICT`, before anything is written, naming what is in the way;
 *   `BLOB_MISSING`, `BLOB_DAMAGED`, naming the entry.
 */
export async function checkoutVersion(
  store: Store,
  { pieces, fileCount, size }: Manifest,
  root: string,
  options: CheckoutOptions = {},
): Promise<CheckoutResult> {
  const { signal, onProgress } = options
  const target = resolve(root)
  const occupied = prepareRoot(target)
  const pool = new TreePool(store.home, realpathSync(target))
  try {
    const same = new Uint8Array(fileCount)
    if (occupied) await inspect(store, pieces, { ...options, pool, same })
    const result: CheckoutResult = { root: target, written: 0, kept: 0 }
    let bytes = 0
    await pool.forEachBatch(
      store,
      pieces,
      async (items, first) => {
        const missing = items.filter((_, index) => same[first + index] === 0)
        if (missing.length > 0) {
          await pool.run({ do: 'write', items: await placeItems(store, missing) })
        }
        result.written += missing.length
        result.kept += items.length - missing.length
        for (const item of items) bytes += item.size
        const files = result.written + result.kept
        onProgress?.({ step: 'checkout', files, bytes, totalFiles: fileCount, totalBytes: size })
      },
      { signal },
    )
    return result
  } finally {
    await pool.close()
  }
}

/** @returns whether there is anything in the folder. */
function prepareRoot(root: string): boolean {
  try {
    mkdirSync(root, { recursive: true })
    return readdirSync(root).length > 0
  } catch (error) {
    const code = systemCode(error)
    if (code !== 'EEXIST' && code !== 'ENOTDIR') throw storeError(error, `making ${root}`)
    throw conflict(
      lstatSync(root, { throwIfNoEntry: false }) ? root : `a part of ${root}`,
      'is not a folder',
    )
  }
}

/** Marks what is there already, and refuses what would be lost. */
async function inspect(
  store: Store,
  pieces: Manifest['pieces'],
  { pool, same, overwrite, signal }: CheckoutOptions & { pool: TreePool; same: Uint8Array },
): Promise<void> {
  const conflicts: string[] = []
  await pool.forEachBatch(
    store,
    pieces,
    async (items, first) => {
      const states = await pool.run<TreeState[]>({ do: 'check', items })
      const others: { path: string; key: BlobKey }[] = []
      states.forEach((state, index) => {
        const { path } = items[index]!
        if (state.is === 'same') same[first + index] = 1
        if (state.is === 'conflict') conflicts.push(describe(path, state.error))
        if (state.is === 'other' && !overwrite) {
          others.push({ path, key: { kind: 'blob', digest: state.digest, size: state.size } })
        }
      })
      const places = await locateBlobs(
        store,
        others.map(({ key }) => key),
        { external: false },
      )
      places.forEach((place, index) => {
        if (!place)
          conflicts.push(`${others[index]!.path} has other content, which is not in the store`)
      })
    },
    { signal },
  )
  if (conflicts.length === 0) return
  const named = conflicts.slice(0, NAMED_CONFLICTS)
  const more = conflicts.length > named.length ? ` and ${conflicts.length - named.length} more` : ''
  throw new ArtifactError('CHECKOUT_CONFLICT', `in the way: ${named.join('; ')}${more}`, {
    details: { conflicts: conflicts.length, named },
  })
}

function describe(path: string, error: ErrorData): string {
  return `${path} (${error.message})`
}

/** @throws `BLOB_MISSING` naming the first entry whose bytes are not here. */
export async function placeItems(store: Store, items: TreeItem[]): Promise<PlacedItem[]> {
  const places = await locateBlobs(
    store,
    items.map(({ digest, size }) => ({ kind: 'blob', digest, size })),
  )
  return items.map((item, index) => {
    const place = places[index]
    if (place) return { ...item, place }
    throw new ArtifactError('BLOB_MISSING', `the bytes of "${item.path}" are not in the store`, {
      details: { path: item.path, digest: item.digest },
    })
  })
}
