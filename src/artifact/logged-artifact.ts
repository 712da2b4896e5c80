import { join } from 'node:path'
import { ArtifactError } from '../errors.js'
import type { Change } from '../model/change.js'
import type { Entry } from '../model/entry.js'
import type { CollectionName, RunInfo, Version } from '../model/version.js'
import type { RemoteVersion } from '../remote/remote.js'
import { holdContent } from '../store/hold-content.js'
import { readEntries } from '../store/manifest.js'
import { ManifestIndex } from '../store/manifest-index.js'
import { checkLinkMode, isShared, type LinkMode } from '../store/object-linker.js'
import { checkAborted, type WorkOptions } from '../store/progress.js'
import type { VerifyResult } from '../store/verify.js'
import type { Artifact } from './artifact.js'
import type { DiffSide } from './diff-artifacts.js'
import { hearFailure, keepFailure } from './failed-logs.js'
import { type ArtifactObject, getObject } from './get-object.js'
import { isPending } from './is-pending.js'
import type { LogOutcome } from './log-artifact.js'
import { orAborted } from './or-aborted.js'
import { VersionFields } from './version-fields.js'
import type { DownloadOptions } from './version-files.js'
import { waitUntilSynced } from './wait-until-synced.js'
import { askRemote, type Workspace, whyOffline } from './workspace.js'

export interface WaitOptions {
  /** Milliseconds. Default: without end. `WAIT_TIMEOUT` afterwards. */
  timeout?: number
  signal?: AbortSignal
}

/** How a name was answered. */
export interface Resolution {
  resolved: 'remote' | 'local'
  /** When a local answer was last known to be the remote's (ISO 8601); null if it never was. */
  asOf: string | null
}

// What a log has no use for is loaded when it is first used: checkout, pull, the HTTP client.

/**
 * A version: one that is being logged, or one that was found by its name. Its fields can be read
 * once it is committed; before that they throw `ARTIFACT_NOT_LOGGED`.
 */
export class LoggedArtifact extends VersionFields {
  /** How the name was answered; undefined for a version that was logged here. */
  readonly resolution: Resolution | undefined
  readonly #workspace: Workspace
  readonly #committed: Promise<void>
  /** Set for a version of the remote of which this store has nothing yet. */
  #remote: RemoteVersion | undefined

  /** @internal */
  constructor(
    workspace: Workspace,
    draft: CollectionName & { id: string; type: string },
    outcome: Promise<LogOutcome>,
    found: { resolution?: Resolution; remote?: RemoteVersion; version?: Version } = {},
  ) {
    super(draft)
    this.resolution = found.resolution
    this.#workspace = workspace
    this.#remote = found.remote
    if (found.version) this.outcome = { version: found.version, unchanged: false }
    this.#committed = outcome.then(known => {
      this.outcome = known
    })
    this.#committed.catch(error => keepFailure(this, error))
  }

  /** Resolves when the version is durable in the local store; rejects when it was not logged. */
  get committed(): Promise<void> {
    hearFailure(this)
    return this.#committed
  }

  /**
   * Records what was assigned to `description`, `metadata`, `tags` and `aliases` and differs from
   * what was read: durable here when it resolves, synced later, in order with everything else of the
   * collection.
   * @throws `INVALID_ALIAS` for `latest`; as `committed`.
   */
  async save(): Promise<void> {
    await this.committed
    const { edits } = this
    const { saveVersion } = await import('./save-version.js')
    const version = await saveVersion(this.#workspace, this.row, edits)
    this.outcome = { ...this.outcome, version }
    this.dropEdits(edits)
  }

  /**
   * Deletes the version: durable here when it resolves, synced later, in order with everything else of
   * the collection. Its number is never used again, `latest` goes to the newest version that is left,
   * and asking for it is `VERSION_DELETED`.
   * @param options.deleteAliases delete it with its aliases. Default false: one other than `latest`
   *   is `VERSION_HAS_ALIASES`.
   */
  async delete(options: { deleteAliases?: boolean } = {}): Promise<void> {
    await this.committed
    const { deleteVersions } = await import('./delete-versions.js')
    await deleteVersions(this.#workspace, this.row, { versions: [this.row], ...options })
  }

  /**
   * Waits until the remote has the version, pushing what is pending.
   * @throws `NO_REMOTE` at once when there is none (or offline); `WAIT_TIMEOUT`; `INTERRUPTED`;
   *   the remote's refusal, of the version or of this client (`REMOTE_UNAUTHORIZED`, say); why it
   *   was not logged, if it was not.
   */
  async wait({ timeout, signal }: WaitOptions = {}): Promise<void> {
    const { store } = this.#workspace
    const why = whyOffline(this.#workspace)
    if (why) {
      throw new ArtifactError('NO_REMOTE', `"${this.name}" cannot be waited for: ${why}`)
    }
    const deadline = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
    const signals = [signal, deadline].filter(one => one !== undefined)
    const stop = signals.length > 0 ? AbortSignal.any(signals) : undefined
    try {
      await orAborted(this.committed, stop)
      await waitUntilSynced(this.#workspace, () => this.#isSynced(), stop)
    } catch (error) {
      checkAborted(signal)
      if (!deadline?.aborted) throw error
      throw new ArtifactError('WAIT_TIMEOUT', `"${this.name}" is not synced after ${timeout} ms`, {
        details: { name: this.name, id: this.id, store: store.home },
      })
    }
  }

  /** The entries in path order, not held all at once. */
  async *entries(options: { signal?: AbortSignal } = {}): AsyncGenerator<Entry, void, undefined> {
    await this.committed
    // The manifest of an evicted one is here.
    if (!this.evicted) await this.#fetch(options)
    const { store } = this.#workspace
    for await (const entries of readEntries(store, this.row.pieces, options)) yield* entries
  }

  /**
   * Reads a table by the name under which it was added, or the path of its file; its rows are read
   * when they are asked for.
   * @throws `ENTRY_NOT_FOUND`; `INVALID_TABLE` for a file that is no table; `BLOB_MISSING`,
   *   `BLOB_DAMAGED`, the remote's errors.
   */
  async get(name: string): Promise<ArtifactObject> {
    await this.#fetch({})
    const { store } = this.#workspace
    const index = new ManifestIndex(store, this.row.pieces)
    const list = (folder: string) => index.list(folder)
    return getObject({ store, find: path => index.find(path), list }, name)
  }

  /**
   * Begins the next version of the collection as this one is: with its entries, description and
   * metadata, without its aliases and tags. Of its files nothing is read or fetched.
   * @throws `DIGEST_NOT_ACCEPTED` when the store adds files with another digest; the remote's
   *   errors.
   */
  async newDraft(options: WorkOptions = {}): Promise<Artifact> {
    await this.committed
    const { createDraft } = await import('./create-draft.js')
    return createDraft(this.#workspace, this.id, { ...options, remote: this.#remote })
  }

  /**
   * Writes the files to a folder, after fetching what is not in the store, and verifies each.
   * References become files with the bytes that were recorded. Files that the version does not
   * have stay.
   * @returns the absolute path of the folder.
   * @throws `CHECKOUT_CONFLICT`, `BLOB_MISSING`, `BLOB_DAMAGED`, the remote's errors, and for a
   *   reference, naming it, `REFERENCE_CHANGED` and its like; `LINK_REFUSED` for hard and symbolic
   *   links where they cannot be made, and to a version that no remote has.
   */
  async download(options: DownloadOptions = {}): Promise<string> {
    checkLinkMode(options.link)
    const { store } = this.#workspace
    // What is found or fetched for it stays until it is written.
    const release = holdContent(store)
    try {
      await this.fetch(options)
      if (options.link && isShared(options.link)) await this.#expectSynced(options.link)
      const version = this.versionOrNull ?? this.id.slice(0, 8)
      const root = options.root ?? join('artifacts', `${this.name}-${version}`)
      const { downloadFiles } = await import('./version-files.js')
      return await downloadFiles(store, this.row, root, options)
    } finally {
      release()
    }
  }

  /** Brings the version into the local store. @returns the bytes that came from the remote. */
  async fetch(options: WorkOptions = {}): Promise<number> {
    return this.#fetch(options)
  }

  /**
   * Compares a folder with the version; without one, hashes what the store holds of it again, and
   * asks whether its references still lead to the recorded bytes. Finds everything that is wrong; it does not throw for it.
   */
  async verify(root?: string, options: WorkOptions = {}): Promise<VerifyResult> {
    const { store } = this.#workspace
    const release = holdContent(store)
    try {
      await this.#fetch(options)
      const { verifyFiles } = await import('./version-files.js')
      return await verifyFiles(store, this.row, root, options)
    } finally {
      release()
    }
  }

  /**
   * What leads from this version to another, in path order; nothing when they hold the same. Only
   * the pieces of the manifests that differ are read, and fetched where they are not here: no files.
   * Moves are found among up to 100,000 changes; of more, a file that moved is `removed` and `added`.
   * @throws `DIGESTS_DIFFER` for versions of different algorithms; `BLOB_MISSING`, `BLOB_DAMAGED`,
   *   the remote's errors.
   */
  async *diff(
    other: LoggedArtifact,
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<Change, void, undefined> {
    if (!(other instanceof LoggedArtifact)) throw new TypeError('diff takes a version')
    await this.committed
    await other.committed
    const { diffArtifacts } = await import('./diff-artifacts.js')
    yield* diffArtifacts(this.#side, other.#side, options)
  }

  /**
   * The run that logged the version first: of one that several runs built, the last to add to it.
   * Null for one that was logged outside of a run.
   */
  async loggedBy(): Promise<RunInfo | null> {
    await this.committed
    return structuredClone(this.row.run)
  }

  /**
   * The runs that used the version: as the remote has it, when that answers within two seconds, and
   * what is recorded here.
   * @throws the remote's refusal; `INTERRUPTED`.
   */
  async usedBy(options: { signal?: AbortSignal } = {}): Promise<RunInfo[]> {
    await this.committed
    const { listUsers } = await import('./list-users.js')
    return listUsers(this.#workspace, this, options)
  }

  get #side(): DiffSide {
    const isRemote = this.#remote !== undefined
    return { workspace: this.#workspace, version: this.row, isRemote }
  }

  async #fetch(options: WorkOptions): Promise<number> {
    await this.committed
    const { bringFiles } = await import('./bring-files.js')
    const bytes = await bringFiles(this.#workspace, this.row, { ...options, remote: this.#remote })
    this.#remote = undefined
    return bytes
  }

  /** What is edited through a link can be healed from the remote only. */
  async #expectSynced(link: LinkMode): Promise<void> {
    const version = await this.#workspace.store.catalog.getVersion(this.id)
    if (version?.state === 'synced') return
    throw new ArtifactError(
      'LINK_REFUSED',
      `"${this.name}:${this.version}" is not synced: a ${link} would lead to its only copy`,
      { details: { name: this.name, id: this.id, link } },
    )
  }

  async #isSynced(): Promise<boolean> {
    const { catalog } = this.#workspace.store
    const known = this.outcome
    const version = await catalog.getVersion(known.version.id)
    if (version) this.outcome = { ...known, version }
    if (version?.state === 'pending' || (await isPending(catalog, known.version.id))) return false
    // A part is on the remote once it is not pending, whatever became of the open version.
    if (known.version.state === 'open') return true
    if (!version && known.version.state === 'closing') return this.#findMerged()
    if (!version && (await catalog.findDeleted([known.version.id]))[0]) return true
    // Of one that only the remote has, nothing is here.
    return (version ?? known.version).state === 'synced'
  }

  /** What the remote made of the parts of all machines: more than is here. */
  async #findMerged(): Promise<boolean> {
    const { entity, project, name, id } = this
    const selector = { kind: 'id' as const, id }
    const remote = await askRemote(this.#workspace)
    const { resolveVersion } = await import('../sync/resolve.js')
    const found = await resolveVersion(this.#workspace.store, remote, {
      ...{ entity, project, name, selector },
    })
    this.outcome = { version: found.version, unchanged: false }
    this.#remote = found.local ? undefined : found.remote
    return true
  }
}
