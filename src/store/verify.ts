import { type Dirent, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { compareUtf8 } from '../model/artifact-path.js'
import type { Manifest } from '../model/version.js'
import type { TreeState } from './check-tree.js'
import type { WorkOptions } from './progress.js'
import { recoverBlobs } from './recover-blobs.js'
import { fileError } from './source-file.js'
import type { Store } from './store.js'
import { fileKey, type TreeItem } from './tree-files.js'
import { type ResolveReferences, TreePool } from './tree-pool.js'

export interface VerifyProblem {
  path: string
  /**
   * `extra` is of a folder, `damaged` of the store; `missing` and `differs` of a folder or of what
   * a reference leads to; `unchecked` is a reference that could not be looked at.
   */
  problem: 'missing' | 'differs' | 'extra' | 'damaged' | 'unchecked'
  message: string
}

export interface VerifyResult {
  files: number
  bytes: number
  /** Files whose bytes in the store were damaged or missing and could be had again. Absent: none. */
  recovered?: number
  /** In path order. */
  problems: VerifyProblem[]
}

/**
 * Hashes the bytes of every file again, as they lie in the store. What is damaged is moved aside,
 * and brought in again where that is possible. References are left out.
 */
export async function verifyInStore(
  store: Store,
  manifest: Manifest,
  options: WorkOptions = {},
): Promise<VerifyResult> {
  let recovered = 0
  const work: Work = async (items, pool, report) => {
    const verify = (some: TreeItem[]) =>
      pool.runLocated(store, some, placed => ({ do: 'verify', items: placed }))
    const errors = await verify(items)
    const failed = items.filter((_, index) => errors[index])
    if (failed.length === 0) return
    const { reason } = await recoverBlobs(store, failed.map(fileKey), options)
    const why = reason ? `; it cannot be fetched: ${reason.message}` : ''
    const left = await verify(failed)
    const first = errors.filter(error => error !== null)
    failed.forEach(({ path }, index) => {
      // The first error says what was found, the second may only say that it was moved aside.
      const { code, message } = first[index]!
      if (!left[index]) recovered += 1
      else report(path, code === 'BLOB_MISSING' ? 'missing' : 'damaged', message + why)
    })
  }
  const result = await verifyWith(store, manifest, store.home, options, work)
  return { ...result, ...(recovered > 0 && { recovered }) }
}

export interface VerifyFolderOptions extends WorkOptions {
  /** Which files references stand for; those without content may be in the folder, or not. */
  resolve?: ResolveReferences
}

/** Compares a folder with a version: every entry there, with its content, and nothing else. */
export async function verifyFolder(
  store: Store,
  manifest: Manifest,
  root: string,
  options: VerifyFolderOptions = {},
): Promise<VerifyResult> {
  const target = resolve(root)
  const expected = new Set<string>()
  const files = listFiles(target)
  const find: ResolveReferences = async entries => {
    const found = options.resolve
      ? await options.resolve(entries)
      : entries.map(({ path }) => ({ path, content: null }))
    for (const { path } of found) expected.add(path)
    return found
  }
  const work = { ...options, resolve: find }
  const result = await verifyWith(store, manifest, target, work, async (items, pool, report) => {
    const states = await pool.run<TreeState[]>({ do: 'check', items })
    states.forEach((state, index) => {
      const { path } = items[index]!
      expected.add(path)
      if (state.is === 'absent') report(path, 'missing', 'it is not there')
      if (state.is === 'other') report(path, 'differs', `its digest is ${state.digest}`)
      if (state.is === 'conflict') report(path, 'differs', state.error.message)
    })
  })
  for (const path of files) {
    if (expected.has(path)) continue
    result.problems.push({ path, problem: 'extra', message: 'the version does not have it' })
  }
  return { ...result, problems: sortProblems(result.problems) }
}

type Report = (path: string, problem: VerifyProblem['problem'], message: string) => void
type Work = (items: TreeItem[], pool: TreePool, report: Report) => Promise<void>

async function verifyWith(
  store: Store,
  { pieces, fileCount, size }: Manifest,
  root: string,
  { signal, onProgress, resolve }: VerifyFolderOptions,
  work: Work,
): Promise<VerifyResult> {
  const pool = new TreePool(store.home, root)
  const problems: VerifyProblem[] = []
  let files = 0
  let bytes = 0
  try {
    await pool.forEachBatch(
      store,
      pieces,
      async items => {
        await work(items, pool, (path, problem, message) => {
          problems.push({ path, problem, message })
        })
        files += items.length
        for (const item of items) bytes += item.size
        onProgress?.({ step: 'verify', files, bytes, totalFiles: fileCount, totalBytes: size })
      },
      { signal, resolve },
    )
  } finally {
    await pool.close()
  }
  return { files, bytes, problems: sortProblems(problems) }
}

/** In the order of paths; sorts in place. */
export function sortProblems(problems: VerifyProblem[]): VerifyProblem[] {
  return problems.sort((a, b) => compareUtf8(a.path, b.path))
}

/** Every file below a folder, links and special files included, relative to it. */
function listFiles(root: string, folder = ''): string[] {
  let entries: Dirent[]
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true })
  } catch (error) {
    throw fileError(error, join(root, folder))
  }
  return entries.flatMap(entry => {
    const path = folder ? `${folder}/${entry.name}` : entry.name
    return entry.isDirectory() ? listFiles(root, path) : [path]
  })
}
