import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Entry } from '../model/entry.js'
import type { Manifest } from '../model/version.js'
import { checkReferenceFile, checkReferences } from '../references/check-references.js'
import { fetchReferences, type MissingReference } from '../references/fetch-references.js'
import { listReferences } from '../references/list-references.js'
import { openHandler } from '../references/open-handler.js'
import { ReferenceContents } from '../references/reference-contents.js'
import type { ReferenceEntry } from '../references/reference-handler.js'
import { type CheckoutOptions, checkoutVersion } from '../store/checkout.js'
import type { WorkOptions } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { TreePaths } from '../store/tree-path.js'
import {
  sortProblems,
  type VerifyProblem,
  type VerifyResult,
  verifyFolder,
  verifyInStore,
} from '../store/verify.js'

export interface DownloadOptions extends CheckoutOptions {
  /** Default `./artifacts/NAME-vN`. */
  root?: string
  /**
   * Leave out references whose recorded bytes cannot be had: changed, gone, denied, not to be
   * reached, or of a scheme that cannot be downloaded. Default false: the first one is an error.
   */
  allowMissingReferences?: boolean
  /** Called for each reference that is left out. */
  onMissingReference?: (missing: MissingReference) => void
}

/**
 * Writes the files of a version, all pieces and blobs of which are in the store; the bytes of its
 * references are fetched into the store first, each once a machine.
 * @returns the absolute path of the folder.
 */
export async function downloadFiles(
  store: Store,
  manifest: Manifest,
  root: string,
  options: DownloadOptions,
): Promise<string> {
  const { allowMissingReferences = false, onMissingReference = () => {} } = options
  const contents = new ReferenceContents(store)
  const { signal, onProgress } = options
  await fetchReferences(store, manifest, {
    openHandler,
    contents,
    signal,
    onProgress,
    ...(allowMissingReferences && { onMissing: onMissingReference }),
  })
  const find = (entries: Entry[]) => contents.find(entries as ReferenceEntry[])
  return (await checkoutVersion(store, manifest, root, { ...options, resolve: find })).root
}

/**
 * Compares a folder with a version or, without one, hashes the files of the version in the store
 * and asks whether its references still lead to the recorded bytes.
 *
 * In a folder a reference is compared with the content that was fetched here for it; where none
 * was, by its size alone, and what it leads to is asked about instead.
 */
export async function verifyFiles(
  store: Store,
  manifest: Manifest,
  root: string | undefined,
  options: WorkOptions,
): Promise<VerifyResult> {
  const problems: VerifyProblem[] = []
  let files = 0
  if (root === undefined) {
    const result = await verifyInStore(store, manifest, options)
    for await (const entries of listReferences(store, manifest.pieces, options)) {
      problems.push(...(await checkReferences(entries, openHandler, options)))
      files += entries.length
    }
    return merge(result, problems, files)
  }
  const contents = new ReferenceContents(store)
  const target = resolve(root)
  const find = async (entries: Entry[]) => {
    const references = entries as ReferenceEntry[]
    const known = await contents.find(references)
    const unknown = references.filter((_, index) => !known[index])
    if (unknown.length === 0) return known
    files += unknown.length
    const paths = new TreePaths(realpathSync(target))
    const lacking = new Set<string>()
    for (const entry of unknown) {
      const handler = await openHandler(entry.ref)
      const found = handler.downloads ? checkReferenceFile(paths, entry) : []
      for (const problem of found) lacking.add(problem.path)
      problems.push(...found)
    }
    const asked = unknown.filter(({ path }) => !lacking.has(path))
    problems.push(...(await checkReferences(asked, openHandler, options)))
    return known
  }
  return merge(
    await verifyFolder(store, manifest, root, { ...options, resolve: find }),
    problems,
    files,
  )
}

function merge(result: VerifyResult, problems: VerifyProblem[], files: number): VerifyResult {
  return {
    ...result,
    files: result.files + files,
    problems: sortProblems([...result.problems, ...problems]),
  }
}
