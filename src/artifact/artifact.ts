import { basename, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ArtifactError } from '../errors.js'
import { normalizeArtifactPath } from '../model/artifact-path.js'
import type { Entry } from '../model/entry.js'
import { normalizeMetadata } from '../model/metadata.js'
import { checkName, checkProject, checkType } from '../model/names.js'
import { EntryRun } from '../store/entry-run.js'
import { checkAborted } from '../store/progress.js'
import { readSettings } from '../store/settings.js'
import type { Store } from '../store/store.js'
import type { AddFileOptions as ReadFileOptions } from '../store/store-files.js'
import { addEachFile } from './add-each-file.js'
import { addNewFile } from './add-new-file.js'
import { addTree } from './add-tree.js'
import { Adds } from './adds.js'
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
import type { DraftBase } from './draft-base.js'
import { type AddRule, EntryTable } from './entry-table.js'
import { type AddReferenceOptions, expandReference } from './expand-reference.js'
import { type ArtifactObject, checkObject, getObject, objectPath } from './get-object.js'
import { listBelow } from './list-below.js'
import { logArtifact } from './log-artifact.js'
import type { LoggedArtifact } from './logged-artifact.js'
import { orAborted } from './or-aborted.js'
import { readIgnoreFile } from './read-ignore-file.js'
import { removalError } from './removals.js'
import { reportFile, reportReading } from './report-file.js'
import { sharedStore } from './shared-store.js'
import { statFile, statLocal } from './stat-local.js'
import { ensureDaemon, openWorkspace } from './workspace.js'

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
  /** Whether it is merged onto what is `latest` when it is logged, see `ArtifactOptions`. */
  readonly incremental: boolean
  /** @internal The version that it began as, set by who makes a draft. */
  base: DraftBase | undefined
  #description: string | null
  #metadata: Record<string, unknown>
  readonly #table = new EntryTable()
  readonly #adds = new Adds()
  readonly #dedup: DedupTotals = { files: 0, bytes: 0, newBytes: 0 }
  #adding: Adding | undefined
  #finalized = false

  /** @throws `INVALID_NAME`, `INVALID_TYPE` or `INVALID_METADATA`. */
  constructor(options: ArtifactOptions) {
    this.name = checkName(options.name)
    this.type = checkType(options.type, this.name)
    this.#description = checkDescription(options.description)
    this.#metadata = normalizeMetadata(options.metadata ?? {})
    this.home = readSettings(process.env, { home: options.home }).home
    this.incremental = options.incremental ?? false
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
      const { onRead, end } = reportReading(statFile(file).size, options.onProgress)
      const name = options.name ?? basename(file)
      const add = this.#addLocal(file, name, rule, { ...options, onRead })
      end(await orAborted(add, options.signal))
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
   * Takes a file out, or a folder with all that is below it, as far as it came in by calls before
   * this one. What is added at the path afterwards counts.
   * @param path or an entry with it.
   * @throws `ENTRY_NOT_FOUND` when there is none; of an incremental artifact, whoever logs it is
   *   told. At once `INVALID_PATH` and `ARTIFACT_FINALIZED`.
   */
  remove(path: string | Pick<Entry, 'path'>): Promise<void> {
    const { order } = this.#rule('a removal')
    const removed = normalizeArtifactPath(typeof path === 'string' ? path : path.path)
    this.#table.remove(removed, order)
    const earlier = this.#adds.others()
    return this.#track(async () => {
      await earlier
      if (this.incremental || this.#table.isRemoved(removed)) return
      const entry = await this.base?.findAt(removed)
      if (entry && this.#table.isRemoved(removed, entry)) return
      throw removalError(removed, this.name)
    })
  }

  /**
   * Reads a table that was added, by the name that it was given or the path of its file.
   * @throws `ENTRY_NOT_FOUND`; `INVALID_TABLE` for a file that is no table.
   */
  async get(name: string): Promise<ArtifactObject> {
    await this.#adds.settled()
    await this.#begin().ingest.flush()
    const find = async (path: string) =>
      this.#table.find(path) ?? this.base?.find(path, this.#table)
    const list = (folder: string) => listBelow(this.entries(), folder)
    return getObject({ store: this.store, find, list }, name)
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

  /**
   * The entries so far, in path order; waits for adds that were made before the call. Of an
   * incremental artifact they are those that were added to it.
   */
  async *entries(): AsyncGenerator<Entry, void, undefined> {
    await this.#adds.settled()
    if (this.base) yield* this.base.list(this.#table)
    else yield* this.#table.sorted()
  }

  /**
   * Logs the artifact outside of a run. Resolves when it is durable here.
   * @throws as `Run.logArtifact` and `LoggedArtifact.committed`.
   */
  async save({ project, signal, ...options }: SaveOptions = {}): Promise<LoggedArtifact> {
    checkAborted(signal)
    const workspace = openWorkspace(readSettings(process.env, { home: this.home }))
    const given = project ?? this.base?.version.project ?? workspace.settings.project
    const target = { project: checkProject(given), run: null }
    const logged = logArtifact(workspace, this, { ...target, ...options })
    await orAborted(logged.committed, signal)
    await ensureDaemon(workspace)
    return logged
  }

  /** @internal The store that holds its bytes. */
  get store(): Store {
    return sharedStore(this.home)
  }

  /**
   * @internal Closes it, for logging. @throws `ARTIFACT_FINALIZED` the second time.
   * @returns what lets its content go, once it was logged or was not.
   */
  finalize(): () => void {
    this.#expectDraft()
    this.#finalized = true
    return () => this.#adding?.release()
  }

  /** @internal What is to be logged, once every add is done; rejects with the first failure. */
  async content(): Promise<ArtifactContent> {
    await this.#adds.end()
    const { ingest, end } = this.#begin()
    const epoch = await end()
    return { ingest, epoch, table: this.#table }
  }

  /** @internal */
  get dedup(): DedupTotals {
    return { ...this.#dedup }
  }

  #rule(source: string, overwrite = false, exclusive = false): AddRule {
    this.#expectDraft()
    return { order: this.#adds.next(), source, overwrite, exclusive }
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
    return this.#adds.run(this.#begin().begun, work)
  }

  async #addAll(
    root: string,
    prefix: string,
    rule: AddRule,
    { ignore = [], onProgress, signal, policy, symlinks = 'follow' }: AddDirOptions,
  ): Promise<void> {
    const patterns = [...readIgnoreFile(root), ...ignore]
    const refuseLinks = symlinks === 'refuse'
    if (policy === 'immutable') {
      const add = (file: string, path: string) =>
        this.#addLocal(file, prefix + path, { ...rule, source: file }, { policy, refuseLinks })
      const work = { ready: () => this.#begin().ingest.ready(), add, onProgress, signal }
      await addEachFile(root, { home: this.home, patterns, refuseLinks, ...work })
      return
    }
    const work = { root, patterns, refuseLinks, dedup: this.#dedup, onProgress, signal }
    const node = await addTree(this.store, this.#begin().ingest, work)
    this.#table.addTree({ node, prefix, rule, algorithm: this.store.algorithm })
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
      else if (!run.push(entry)) this.#table.set(entry, { ...rule, ...found })
      files += 1
      bytes += entry.size
      options.onProgress?.({ step: 'add', files, bytes })
    }
    this.#table.addRun(run, rule)
  }

  async #addLocal(
    file: string,
    name: string,
    rule: AddRule,
    { policy = 'mutable', signal, ...reading }: AddOptions & ReadFileOptions,
  ): Promise<Entry> {
    checkAborted(signal)
    const path = normalizeArtifactPath(name)
    const { digest, stat, isNew } = await this.#begin().ingest.addFile(file, policy, reading)
    checkAborted(signal)
    const external = policy === 'immutable' ? { digest, file, ...stat } : undefined
    const entry = { path, digest, size: stat.size }
    this.#put(entry, { ...rule, external }, isNew)
    return entry
  }

  #put(entry: Entry, rule: AddRule, isNew: boolean): void {
    this.#table.set(entry, rule)
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
    const entry = { path, digest: stored!.digest, size: bytes.length }
    this.#put(entry, rule, stored!.isNew)
    reportFile(entry, onProgress)
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
    return addNewFile(await this.#begin().ingest.folder(), write, async file => {
      const entry = await this.#addLocal(file, path, rule, { signal })
      reportFile(entry, onProgress)
      return entry
    })
  }
}
