import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ArtifactError } from '../errors.js'
import { normalizeArtifactPath } from '../model/artifact-path.js'
import type { Entry } from '../model/entry.js'
import { normalizeMetadata } from '../model/metadata.js'
import { checkName, checkProject, checkType } from '../model/names.js'
import { EntryRun } from '../store/entry-run.js'
import { ingestTree } from '../store/ingest-tree.js'
import { checkAborted } from '../store/progress.js'
import { readSettings } from '../store/settings.js'
import type { Store } from '../store/store.js'
import { addEachFile } from './add-each-file.js'
import type {
  AddDirOptions,
  AddFileOptions,
  AddOptions,
  ArtifactContent,
  ArtifactOptions,
  DedupTotals,
  NewFileOptions,
  SaveOptions,
} from './artifact-options.js'
import { type Adding, beginAdding } from './begin-adding.js'
import { checkDescription } from './check-description.js'
import { type AddRule, EntryTable } from './entry-table.js'
import { type AddReferenceOptions, expandReference } from './expand-reference.js'
import { type ArtifactObject, checkObject, getObject, objectPath } from './get-object.js'
import { logArtifact } from './log-artifact.js'
import type { LoggedArtifact } from './logged-artifact.js'
import { orAborted } from './or-aborted.js'
import { readIgnoreFile } from './read-ignore-file.js'
import { sharedStore } from './shared-store.js'
import { statLocal } from './stat-local.js'
import { ensureDaemon, openWorkspace } from './workspace.js'
import { writeNewFile } from './write-new-file.js'

/**
 * A set of files under construction. Adds store their bytes at once; nothing is visible until the
 * artifact is logged, after which it is closed: a further add throws `ARTIFACT_FINALIZED`.
 *
 * Adds need not be awaited: logging waits for them. Where two adds claim one path, the order of
 * the calls decides. A failed add rejects its promise, and the artifact cannot be logged.
 */
export class Artifact {
  readonly name: string
  readonly type: string
  /** The absolute home of the store that it is built in. */
  readonly home: string
  #description: string | null
  #metadata: Record<string, unknown>
  readonly #entries = new EntryTable()
  readonly #adds = new Set<Promise<unknown>>()
  readonly #dedup: DedupTotals = { files: 0, bytes: 0, newBytes: 0 }
  #adding: Adding | undefined
  #order = 0
  #failure: { error: unknown } | undefined
  #finalized = false

  /** @throws `INVALID_NAME`, `INVALID_TYPE` or `INVALID_METADATA`. */
  constructor(options: ArtifactOptions) {
    this.name = checkName(options.name)
    this.type = checkType(options.type, this.name)
    this.#description = checkDescription(options.description)
    this.#metadata = normalizeMetadata(options.metadata ?? {})
    this.home = readSettings(process.env, { home: options.home }).home
  }

  get description(): string | null {
    return this.#description
  }

  set description(value: string | null | undefined) {
    this.#expectDraft()
    this.#description = checkDescription(value)
  }

  get metadata(): Record<string, unknown> {
    return this.#metadata
  }

  set metadata(value: Record<string, unknown>) {
    this.#expectDraft()
    this.#metadata = normalizeMetadata(value)
  }

  isDraft(): boolean {
    return !this.#finalized
  }

  /**
   * Adds one file.
   * @throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_UNSUPPORTED`, `FILE_CHANGED`,
   *   `INVALID_PATH`, `ENTRY_CONFLICT`, and at once `ARTIFACT_FINALIZED`.
   */
  addFile(localPath: string, options: AddFileOptions = {}): Promise<void> {
    const file = resolve(localPath)
    const rule = this.#rule(file, options.overwrite, options.exclusive)
    return this.#track(async () => {
      const stat = statLocal(file)
      if (!stat.isFile()) {
        const what = stat.isDirectory() ? 'a folder: add it with addDir' : 'not a regular file'
        throw new ArtifactError('FILE_UNSUPPORTED', `${file} is ${what}`, { details: { file } })
      }
      const add = this.#addLocal(file, options.name ?? basename(file), rule, options)
      const { size } = await orAborted(add, options.signal)
      options.onProgress?.({ step: 'add', files: 1, bytes: size, totalFiles: 1, totalBytes: size })
    })
  }

  /**
   * Adds every file below a folder, symbolic links followed.
   * @throws as `addFile`.
   */
  addDir(localPath: string, options: AddDirOptions = {}): Promise<void> {
    const root = resolve(localPath)
    const rule = this.#rule(root, options.merge, options.exclusive)
    return this.#track(async () => {
      if (!statLocal(root).isDirectory()) {
        throw new ArtifactError('FILE_UNSUPPORTED', `${root} is not a folder: use addFile`, {
          details: { file: root },
        })
      }
      const prefix = options.name === undefined ? '' : `${normalizeArtifactPath(options.name)}/`
      await orAborted(this.#addAll(root, prefix, rule, options), options.signal)
    })
  }

  /**
   * Adds a file that does not exist yet.
   * @param content text, bytes, or a function that writes to a stream; the file is added when it
   *   resolves and dropped when it throws, which rejects this call alone and leaves the artifact
   *   as it was. Default: an empty file.
   * @throws `INVALID_PATH`, `ENTRY_CONFLICT`, and at once `ARTIFACT_FINALIZED`.
   */
  newFile(
    name: string,
    content: string | Uint8Array | ((writer: Writable) => unknown) = '',
    options: NewFileOptions = {},
  ): Promise<void> {
    const rule = this.#rule(`new file ${name}`, options.overwrite)
    if (typeof content === 'function') return this.#writeNewFile(name, content, rule, options)
    const bytes = Buffer.from(content as string)
    return this.#track(() => orAborted(this.#addBytes(name, bytes, rule, options), options.signal))
  }

  /**
   * Adds a table as a JSON file, `name` with `.table.json` or `.partitioned-table.json` unless it
   * ends in that.
   * @returns its entry.
   * @throws `INVALID_PATH`, `ENTRY_CONFLICT`, what reading the rows of the table throws, and at once
   *   `ARTIFACT_FINALIZED`.
   */
  add(object: ArtifactObject, name: string, options: NewFileOptions = {}): Promise<Entry> {
    checkObject(object)
    const rule = this.#rule(`the object "${name}"`, options.overwrite)
    return this.#track(async () => {
      const path = objectPath(object, name)
      const write = (writer: Writable) => pipeline(object.encode(), writer)
      const written = await orAborted(this.#addWritten(path, write, rule, options), options.signal)
      if ('error' in written) throw written.error
      return written.entry
    })
  }

  /**
   * Reads a table that was added, by the name that it was given or the path of its file.
   * @throws `ENTRY_NOT_FOUND`; `INVALID_TABLE` for a file that is no table.
   */
  async get(name: string): Promise<ArtifactObject> {
    await this.#settled()
    await this.#begin().ingest.flush()
    return getObject({ store: this.store, entries: () => this.entries() }, name)
  }

  /**
   * Adds what a URI stands for, or an entry of another version, without copying bytes: see
   * `docs/references.md` for what is recorded of it.
   * @throws as `expandReference`; `ENTRY_CONFLICT`, and at once `ARTIFACT_FINALIZED`.
   */
  addReference(source: string | URL | Entry, options: AddReferenceOptions = {}): Promise<void> {
    const rule = this.#rule('a reference', options.overwrite, options.exclusive)
    return this.#track(() => orAborted(this.#addReferences(source, rule, options), options.signal))
  }

  /** The entries added so far, in path order; waits for adds that were made before the call. */
  async *entries(): AsyncGenerator<Entry, void, undefined> {
    await this.#settled()
    yield* this.#entries.sorted()
  }

  /**
   * Logs the artifact outside of a run. Resolves when it is durable here.
   * @throws as `Run.logArtifact` and `LoggedArtifact.committed`.
   */
  async save({ project, signal, ...options }: SaveOptions = {}): Promise<LoggedArtifact> {
    checkAborted(signal)
    const workspace = openWorkspace(readSettings(process.env, { home: this.home }))
    const target = { project: checkProject(project ?? workspace.settings.project), run: null }
    const logged = logArtifact(workspace, this, { ...target, ...options })
    await orAborted(logged.committed, signal)
    await ensureDaemon(workspace)
    return logged
  }

  /** @internal The store that holds its bytes. */
  get store(): Store {
    return sharedStore(this.home)
  }

  /** @internal Closes it, for logging. @throws `ARTIFACT_FINALIZED` the second time. */
  finalize(): void {
    this.#expectDraft()
    this.#finalized = true
  }

  /** @internal What is to be logged, once every add is done; rejects with the first failure. */
  async content(): Promise<ArtifactContent> {
    await this.#settled()
    if (this.#failure) throw this.#failure.error
    const { ingest, end } = this.#begin()
    const epoch = await end()
    return { ingest, epoch, entries: this.#entries.sorted(), external: this.#entries.external() }
  }

  /** @internal */
  get dedup(): DedupTotals {
    return { ...this.#dedup }
  }

  async #settled(): Promise<void> {
    while (this.#adds.size > 0) await Promise.allSettled([...this.#adds])
  }

  #rule(source: string, overwrite = false, exclusive = false): AddRule {
    this.#expectDraft()
    return { order: this.#order++, source, overwrite, exclusive }
  }

  #expectDraft(): void {
    if (!this.#finalized) return
    throw new ArtifactError('ARTIFACT_FINALIZED', `"${this.name}" is logged and cannot change`, {
      details: { name: this.name },
    })
  }

  #begin(): Adding {
    this.#adding ??= beginAdding(this.store)
    return this.#adding
  }

  #track<T>(work: () => Promise<T>): Promise<T> {
    const add = this.#begin()
      .begun.then(work)
      .catch(error => {
        this.#failure ??= { error }
        throw error
      })
    this.#adds.add(add)
    const done = () => this.#adds.delete(add)
    // Also marks the promise as handled: `content` rethrows what nobody awaited.
    add.then(done, done)
    return add
  }

  async #addAll(
    root: string,
    prefix: string,
    rule: AddRule,
    { ignore = [], onProgress, signal, policy, symlinks = 'follow' }: AddDirOptions,
  ): Promise<void> {
    const patterns = [...ignore, ...readIgnoreFile(root)]
    const refuseLinks = symlinks === 'refuse'
    if (policy === 'immutable') {
      const add = (file: string, path: string) =>
        this.#addLocal(file, prefix + path, { ...rule, source: file }, { policy })
      const work = { ready: () => this.#begin().ingest.ready(), add, onProgress, signal }
      await addEachFile(root, { patterns, refuseLinks, ...work })
      return
    }
    const { catalog, algorithm } = this.store
    const done = { files: 0, bytes: 0 }
    const node = await ingestTree({ ingest: this.#begin().ingest, catalog, algorithm }, root, {
      patterns,
      refuseLinks,
      signal,
      onFiles: ({ files, bytes, newFiles, newBytes }) => {
        done.files += files
        done.bytes += bytes
        this.#dedup.files += files - newFiles
        this.#dedup.bytes += bytes - newBytes
        this.#dedup.newBytes += newBytes
        onProgress?.({ step: 'add', ...done })
      },
    })
    checkAborted(signal)
    this.#entries.addTree({ node, prefix, rule, algorithm })
  }

  async #addReferences(
    source: string | URL | Entry,
    rule: AddRule,
    options: AddReferenceOptions,
  ): Promise<void> {
    let files = 0
    let bytes = 0
    const run = new EntryRun()
    for await (const { entry, ...found } of expandReference(this.store, source, options)) {
      checkAborted(options.signal)
      if (entry.ref === undefined) this.#put(entry, { ...rule, ...found }, false)
      else if (!run.push(entry)) this.#entries.set(entry, { ...rule, ...found })
      files += 1
      bytes += entry.size
      options.onProgress?.({ step: 'add', files, bytes })
    }
    this.#entries.addRun(run, rule)
  }

  async #addLocal(
    file: string,
    name: string,
    rule: AddRule,
    { policy = 'mutable', signal }: AddOptions,
  ): Promise<Entry> {
    checkAborted(signal)
    const path = normalizeArtifactPath(name)
    const { digest, stat, isNew } = await this.#begin().ingest.addFile(file, policy)
    checkAborted(signal)
    const external = policy === 'immutable' ? { digest, file, ...stat } : undefined
    const entry = { path, digest, size: stat.size }
    this.#put(entry, { ...rule, external }, isNew)
    return entry
  }

  #put(entry: Entry, rule: AddRule, isNew: boolean): void {
    this.#entries.set(entry, rule)
    if (isNew) {
      this.#dedup.newBytes += entry.size
    } else {
      this.#dedup.files += 1
      this.#dedup.bytes += entry.size
    }
  }

  async #addBytes(
    name: string,
    bytes: Buffer,
    rule: AddRule,
    { signal, onProgress }: NewFileOptions,
  ): Promise<void> {
    checkAborted(signal)
    const path = normalizeArtifactPath(name)
    const [stored] = await this.#begin().ingest.addBytes('blob', [bytes])
    checkAborted(signal)
    const size = bytes.length
    this.#put({ path, digest: stored!.digest, size }, rule, stored!.isNew)
    onProgress?.({ step: 'add', files: 1, bytes: size, totalFiles: 1, totalBytes: size })
  }

  /** What the caller's function throws is the caller's: it drops the file, not the artifact. */
  async #writeNewFile(
    name: string,
    write: (writer: Writable) => unknown,
    rule: AddRule,
    options: NewFileOptions,
  ): Promise<void> {
    const add = () => orAborted(this.#addWritten(name, write, rule, options), options.signal)
    const written = await this.#track(add)
    if ('error' in written) throw written.error
  }

  /** @returns the entry, or what the function threw. */
  async #addWritten(
    name: string,
    write: (writer: Writable) => unknown,
    rule: AddRule,
    { signal, onProgress }: NewFileOptions,
  ): Promise<{ entry: Entry } | { error: unknown }> {
    checkAborted(signal)
    const path = normalizeArtifactPath(name)
    const temporary = join(await this.#begin().ingest.folder(), randomBytes(8).toString('hex'))
    try {
      const thrown = await writeNewFile(temporary, write)
      if (thrown) return thrown
      const entry = await this.#addLocal(temporary, path, rule, { signal })
      const { size } = entry
      onProgress?.({ step: 'add', files: 1, bytes: size, totalFiles: 1, totalBytes: size })
      return { entry }
    } finally {
      rmSync(temporary, { force: true })
    }
  }
}
