import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { ArtifactError } from '../errors.js'
import type { Entry } from '../model/entry.js'
import type { Manifest } from '../model/version.js'
import {
  checkReferenceFile,
  checkReferences,
  describeFailure,
} from '../references/check-references.js'
import { fetchReferences, type MissingReference } from '../references/fetch-references.js'
import { listReferences } from '../references/list-references.js'
import { openHandler } from '../references/open-handler.js'
import { ReferenceContents } from '../references/reference-contents.js'
import { ReferenceExpander } from '../references/reference-expander.js'
import type { ReferenceEntry } from '../references/reference-handler.js'
import { type CheckoutOptions, checkoutVersion } from '../store/checkout.js'
import { readEntries } from '../store/manifest.js'
import type { WorkOptions } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { TreePaths } from '../store/tree-path.js'
import type { ReferenceFile } from '../store/tree-pool.js'
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
  const expander = new ReferenceExpander(openHandler)
  const { signal, onProgress } = options
  await fetchReferences(store, manifest, {
    openHandler,
    contents,
    expander,
    signal,
    onProgress,
    ...(allowMissingReferences && { onMissing: onMissingReference }),
  })
  await expectNoOverlap(store, manifest, expander, signal)
  const find = async (entries: Entry[]) => {
    const expanded = await expander.expand(entries as ReferenceEntry[], { signal })
    const files = expanded.flatMap(({ files }) => files)
    return withContents(files, await contents.find(files))
  }
  return (await checkoutVersion(store, manifest, root, { ...options, resolve: find })).root
}

function withContents(files: Entry[], contents: ReferenceFile['content'][]): ReferenceFile[] {
  return files.map(({ path }, index) => ({ path, content: contents[index]! }))
}

/** @throws `ENTRY_CONFLICT` when an entry lies in a folder that a reference became. */
async function expectNoOverlap(
  store: Store,
  { pieces }: Manifest,
  expander: ReferenceExpander,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!expander.hasFolders) return
  for await (const entries of readEntries(store, pieces, { signal })) {
    for (const { path } of entries) {
      const folder = expander.folderAbove(path)
      if (folder === undefined) continue
      const message = `"${path}" lies in "${folder}", to which a reference brings its own files`
      throw new ArtifactError('ENTRY_CONFLICT', message, { details: { path, folder } })
    }
  }
}

/**
 * Compares a folder with a version or, without one, hashes the files of the version in the store
 * and asks whether its references still lead to the recorded bytes.
 *
 * In a folder a reference is compared with the content that was fetched here for it; where none
 * was, by its size alone, and what it leads to is asked about instead. One that was added without
 * checksum to a bucket stands for what lies there now.
 */
export async function verifyFiles(
  store: Store,
  manifest: Manifest,
  root: string | undefined,
  options: WorkOptions,
): Promise<VerifyResult> {
  if (root === undefined) {
    const result = await verifyInStore(store, manifest, options)
    for await (const entries of listReferences(store, manifest.pieces, options)) {
      result.problems.push(...(await checkReferences(entries, openHandler, options)))
      result.files += entries.length
    }
    return { ...result, problems: sortProblems(result.problems) }
  }
  const comparer = new ReferenceComparer(store, resolve(root), options)
  const result = await verifyFolder(store, manifest, root, {
    ...options,
    resolve: entries => comparer.compare(entries as ReferenceEntry[]),
  })
  const problems = result.problems.filter(problem => !comparer.excuses(problem))
  return {
    ...result,
    files: result.files + comparer.files,
    problems: sortProblems([...problems, ...comparer.problems]),
  }
}

/** Compares references with a folder as far as their content is not known here. */
class ReferenceComparer {
  readonly problems: VerifyProblem[] = []
  files = 0
  readonly #contents: ReferenceContents
  readonly #expander = new ReferenceExpander(openHandler)
  readonly #root: string
  readonly #options: WorkOptions
  /** Where files may lie of which nothing could be found out. */
  readonly #unknown: string[] = []

  constructor(store: Store, root: string, options: WorkOptions) {
    this.#contents = new ReferenceContents(store)
    this.#root = root
    this.#options = options
  }

  /** What they stand for: those without content are done with. */
  async compare(entries: ReferenceEntry[]): Promise<ReferenceFile[]> {
    const expanded = await this.#expander.expand(entries, this.#options)
    const files = expanded.flatMap(({ files }) => files)
    const resolved = withContents(files, await this.#contents.find(files))
    const unfetched = files.filter((_, index) => !resolved[index]!.content)
    await this.#compareUnfetched(unfetched, new Set(entries))
    for (const { entry, error } of expanded) {
      if (!error) continue
      this.problems.push(describeFailure(entry, error))
      this.#unknown.push(`${entry.path}/`)
      resolved.push({ path: entry.path, content: null })
    }
    return resolved
  }

  /** A file is not one too many where nobody knows which should be there. */
  excuses({ path, problem }: VerifyProblem): boolean {
    return problem === 'extra' && this.#unknown.some(folder => path.startsWith(folder))
  }

  async #compareUnfetched(files: ReferenceEntry[], recorded: Set<ReferenceEntry>): Promise<void> {
    if (files.length === 0) return
    const paths = new TreePaths(realpathSync(this.#root))
    const asked: ReferenceEntry[] = []
    for (const file of files) {
      const { downloads } = await openHandler(file.ref)
      const found = downloads ? checkReferenceFile(paths, file) : []
      this.problems.push(...found)
      // What was found by looking, just now, is there.
      if (found.length === 0 && recorded.has(file)) asked.push(file)
    }
    this.problems.push(...(await checkReferences(asked, openHandler, this.#options)))
    this.files += files.length
  }
}
