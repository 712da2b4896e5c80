import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { ArtifactError, type ErrorData, storeError, systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Manifest } from '../model/version.js'
import type { TreeState } from './check-tree.js'
import { locateBlobs } from './locate-blobs.js'
import { readEntries } from './manifest.js'
import { findFold, NameClashes } from './name-clashes.js'
import type { LinkMode } from './object-linker.js'
import type { WorkOptions } from './progress.js'
import { recoverOrThrow } from './recover-blobs.js'
import type { Store } from './store.js'
import { fileKey, type TreeItem, type WriteOptions } from './tree-files.js'
import { conflict } from './tree-path.js'
import { type ResolveReferences, TreePool } from './tree-pool.js'

/** How often files are written whose bytes had to be had again. */
const ATTEMPTS = 2
/** Conflicts that one error names. */
const NAMED_CONFLICTS = 20

export interface CheckoutOptions extends WorkOptions {
  /** Replace files with other content even if the store does not have it. Default false. */
  overwrite?: boolean
  /**
   * How files of 256 KiB and more come about. Default `reflink`, which copies where the file system
   * does not clone. `hardlink` and `symlink` lead to the store itself: files are read-only, and an
   * edit in place damages the store, which finds it when it uses the bytes next. Smaller files are
   * copied in any case.
   */
  link?: LinkMode
  /** Hash what is not copied, rather than trust its recorded stat. Default false. */
  verify?: boolean
  /** @internal Which files references stand for. Without it they are left out. */
  resolve?: ResolveReferences
}

export interface CheckoutResult {
  root: string
  written: number
  /** Files that were there already, with the right content. */
  kept: number
}

/**
 * Writes the files of a version below `root`. Every byte is verified before its file appears, or
 * was when it was stored and its stat has not changed since (see {@link CheckoutOptions.link}); a
 * root that is not there appears whole, or not at all.
 * Files that the version does not have stay. A file in the way is replaced when its content is in
 * the store, so that nothing is lost by it.
 *
 * @throws `CHECKOUT_CONFLICT`, before anything is written, naming what is in the way;
 *   `BLOB_MISSING`, `BLOB_DAMAGED`, naming the entry; `LINK_REFUSED`.
 */
export async function checkoutVersion(
  store: Store,
  manifest: Manifest,
  root: string,
  options: CheckoutOptions = {},
): Promise<CheckoutResult> {
  const target = resolve(root)
  const state = inspectRoot(target)
  if (state !== 'new') return checkoutInto(store, manifest, target, { ...options, state })
  const staging = join(dirname(target), `.${basename(target)}.artifact-${randomId()}`)
  try {
    makeRoot(staging)
    const result = await checkoutInto(store, manifest, staging, { ...options, state })
    renameSync(staging, target)
    return { ...result, root: target }
  } catch (error) {
    rmSync(staging, { recursive: true, force: true })
    // Somebody else made the folder meanwhile: what is in it now is looked at like any other.
    const taken = systemCode(error) === 'ENOTEMPTY' || systemCode(error) === 'EEXIST'
    if (taken) return checkoutVersion(store, manifest, root, options)
    throw storeError(error, `writing ${target}`)
  }
}

type RootState = 'new' | 'empty' | 'occupied'

async function checkoutInto(
  store: Store,
  { pieces, fileCount, size }: Manifest,
  root: string,
  options: CheckoutOptions & { state: RootState },
): Promise<CheckoutResult> {
  const { signal, onProgress, state, resolve, link = 'reflink', verify = false } = options
  const writing = { unseen: state === 'new', link, verify }
  const pool = new TreePool(store.home, realpathSync(root))
  try {
    await refuseClashes(store, pieces, root, signal)
    const same: true[] = []
    if (state === 'occupied') await inspect(store, pieces, { ...options, pool, same })
    const result: CheckoutResult = { root, written: 0, kept: 0 }
    let bytes = 0
    await pool.forEachBatch(
      store,
      pieces,
      async (items, first) => {
        const missing = items.filter((_, index) => !same[first + index])
        await writeItems(store, pool, missing, { ...writing, signal })
        result.written += missing.length
        result.kept += items.length - missing.length
        for (const item of items) bytes += item.size
        const files = result.written + result.kept
        onProgress?.({ step: 'checkout', files, bytes, totalFiles: fileCount, totalBytes: size })
      },
      { signal, resolve },
    )
    return result
  } finally {
    await pool.close()
  }
}

function inspectRoot(root: string): RootState {
  try {
    return readdirSync(root).length > 0 ? 'occupied' : 'empty'
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') return 'new'
    if (code === 'ENOTDIR') throw conflict(root, 'is not a folder, or lies in a file')
    throw storeError(error, `reading ${root}`)
  }
}

function makeRoot(root: string): void {
  try {
    mkdirSync(root, { recursive: true })
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST' || code === 'ENOTDIR') throw conflict(dirname(root), 'is not a folder')
    throw storeError(error, `making ${root}`)
  }
}

function randomId(): string {
  return randomBytes(6).toString('hex')
}

/** Marks what is there already, and refuses what would be lost. */
async function inspect(
  store: Store,
  pieces: Manifest['pieces'],
  { pool, same, overwrite, signal, resolve }: CheckoutOptions & { pool: TreePool; same: true[] },
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
        if (state.is === 'same') same[first + index] = true
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
    { signal, resolve },
  )
  if (conflicts.length === 0) return
  const named = conflicts.slice(0, NAMED_CONFLICTS)
  const more = conflicts.length > named.length ? ` and ${conflicts.length - named.length} more` : ''
  throw new ArtifactError('CHECKOUT_CONFLICT', `in the way: ${named.join('; ')}${more}`, {
    details: { conflicts: conflicts.length, named },
  })
}

/** Two entries must not become one file. */
async function refuseClashes(
  store: Store,
  pieces: Manifest['pieces'],
  root: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const fold = findFold(root)
  if (!fold) return
  const clashes = new NameClashes(fold)
  for await (const entries of readEntries(store, pieces, { signal })) {
    for (const { path } of entries) {
      const clash = clashes.add(path)
      if (!clash) continue
      const message = `"${clash[0]}" and "${clash[1]}" are one name in ${root}`
      throw new ArtifactError('CHECKOUT_CONFLICT', message, { details: { root, named: clash } })
    }
  }
}

function describe(path: string, error: ErrorData): string {
  return `${path} (${error.message})`
}

/** Writes files; those whose bytes turn out damaged or missing once more, if they can be had again. */
async function writeItems(
  store: Store,
  pool: TreePool,
  items: TreeItem[],
  { signal, ...options }: WriteOptions & { signal?: AbortSignal | undefined },
): Promise<void> {
  let rest = items
  for (let attempt = 1; rest.length > 0; attempt += 1) {
    const losses = await pool.runLocated(store, rest, items => ({ do: 'write', items, options }))
    const failed = rest.flatMap((item, index) => {
      const error = losses[index]
      return error ? [{ item, key: fileKey(item), error: ArtifactError.from(error) }] : []
    })
    if (failed.length === 0) return
    await recoverOrThrow(store, failed, { signal })
    if (attempt === ATTEMPTS) throw failed[0]!.error
    rest = failed.map(({ item }) => item)
  }
}
