import pLimit from 'p-limit'
import type { LogAnswer, LogRequest } from '../catalog/catalog.js'
import { ArtifactError, ERRORS, isArtifactError } from '../errors.js'
import { checkRun } from '../model/check-run.js'
import type { CommitItem, CommitResult } from '../model/commit.js'
import { algorithmOf, isDigest } from '../model/digest.js'
import { normalizeMetadata } from '../model/metadata.js'
import {
  checkDistributedId,
  checkId,
  checkName,
  checkProject,
  checkTags,
  checkType,
  checkUserAliases,
} from '../model/names.js'
import { MAX_PIECE_BYTES } from '../model/piece.js'
import type { CollectionName, Version, VersionContent } from '../model/version.js'
import { acceptDelete, acceptSkip, expectNotDeleted } from './accept-delete.js'
import { acceptEdit } from './accept-edit.js'
import { acceptUse } from './accept-use.js'
import { checkTakenType } from './check-taken-type.js'
import { finishVersion } from './finish-version.js'
import { holdsEntries } from './holds-entries.js'
import { ManifestChecker } from './manifest-checker.js'
import type { Store } from './store.js'

/** How often a version is looked through again because bytes were removed meanwhile. */
const ATTEMPTS = 3
/** Items whose commits may share a flush. */
const MAX_RUN = 100
/** Versions that are looked through at a time; each has a piece of its manifest in memory. */
const LOOKED_THROUGH = 8

/**
 * Commits items that came from outside, in their order, as `Remote.commit` promises. Nothing is
 * believed: names, digests and sizes are checked, a version must be what its pieces add up to, and
 * every blob of a piece that does not vouch for its blobs must be here. A version that is committed
 * makes its pieces vouch.
 *
 * Items may be sent again: a version id, and a log id, is answered as it was the first time. The
 * entity of a version is that of `collection`, whatever it says itself.
 *
 * @throws errors of the store only; what is wrong with an item is its result. Items before are then
 *   committed.
 */
export async function acceptItems(
  store: Store,
  collection: CollectionName,
  items: CommitItem[],
): Promise<CommitResult[]> {
  const acceptor = new Acceptor(store, collection)
  const results: CommitResult[] = []
  while (results.length < items.length) {
    const rest = items.slice(results.length, results.length + MAX_RUN)
    const run = await acceptor.acceptRun(rest)
    results.push(...run)
    // What ended the run is decided alone.
    if (run.length < rest.length) results.push(await acceptor.accept(rest[run.length]!))
  }
  return results
}

/** Where the content of a version lies that was looked through. */
type CheckedContent = Pick<LogRequest, 'complete' | 'packs' | 'objects' | 'epoch'>

type VersionItem = CommitItem & { kind: 'version' }

class Acceptor {
  readonly #store: Store
  readonly #collection: CollectionName
  #checker: ManifestChecker
  #epoch: string | undefined
  /** The id under which the content of a version of this request is known, by the id sent. */
  readonly #knownAs = new Map<string, string>()
  #waiting = false

  constructor(store: Store, collection: CollectionName) {
    this.#store = store
    this.#collection = collection
    this.#checker = new ManifestChecker(store)
  }

  /**
   * Accepts the first items as far as that can be done side by side: new versions that lack nothing,
   * of which none is committed unless those before it are, or what has to wait.
   */
  async acceptRun(items: CommitItem[]): Promise<CommitResult[]> {
    // Before anything is looked for.
    this.#epoch ??= (await this.#store.catalog.describe()).epoch
    const limit = pLimit(LOOKED_THROUGH)
    if (this.#waiting) return limit.map(items, item => this.accept(item))
    const run = new Map<string, VersionItem>()
    for (const item of items) {
      if (item.kind !== 'version' || run.has(item.version.id)) break
      run.set(item.version.id, item)
    }
    let isOver = false
    const logs = await limit.map(run.values(), async item => {
      // Behind the end of the run nothing is looked through in vain.
      const log = isOver ? undefined : await this.#prepareLog(item)
      isOver ||= !log
      return log
    })
    const asked: LogRequest[] = []
    for (const log of logs) {
      if (!log) break
      asked.push({ ...log, after: asked.at(-1)?.logId })
    }
    const answers = await Promise.allSettled(asked.map(log => this.#store.catalog.log(log)))
    const results: CommitResult[] = []
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 'rejected') break
      this.#knownAs.set(asked[index]!.version.id, answer.value.id)
      results.push({ status: 'committed', ...answer.value })
    }
    return results
  }

  /** What commits a version, if it is new and lacks nothing. */
  async #prepareLog({ logId, ...item }: VersionItem): Promise<LogRequest | undefined> {
    try {
      const version = checkVersion(item.version, this.#collection)
      const aliases = checkUserAliases(item.aliases)
      if (await this.#findKnown(version)) return undefined
      const { lacking, ...content } = await this.#checker.check(version)
      if (lacking.length > 0) return undefined
      return { logId, version, aliases, ...content, complete: true, epoch: this.#epoch }
    } catch {
      // It comes up again when the item is decided alone, after those before it.
      return undefined
    }
  }

  /** Accepts the item that a run ended at. */
  async accept(item: CommitItem): Promise<CommitResult> {
    const result = await this.#decide(item).catch((error: unknown): CommitResult => {
      if (!isRefusal(error)) throw error
      return { status: 'refused', error: error.toJSON() }
    })
    if (result.status !== 'committed') this.#waiting = true
    else if (item.kind === 'version') this.#knownAs.set(item.version.id, result.id)
    return result
  }

  #decide(item: CommitItem): Promise<CommitResult> {
    switch (item.kind) {
      case 'version':
        return this.#acceptVersion(item)
      case 'alias':
        return this.#moveAliases(item)
      case 'use':
        return this.#use(item)
      case 'upsert':
        return this.#upsert(item)
      case 'finish':
        return this.#finish(item)
      case 'delete':
      case 'skip':
        return this.#remove(item)
      case 'edit':
        return this.#edit(item)
    }
  }

  async #use(item: CommitItem & { kind: 'use' }): Promise<CommitResult> {
    if (this.#waiting) return { status: 'waiting', pieces: [] }
    const versionId = this.#knownAs.get(item.versionId) ?? item.versionId
    return acceptUse(this.#store, this.#collection, { ...item, versionId })
  }

  async #edit(item: CommitItem & { kind: 'edit' }): Promise<CommitResult> {
    if (this.#waiting) return { status: 'waiting', pieces: [] }
    const versionId = this.#knownAs.get(item.versionId) ?? item.versionId
    return acceptEdit(this.#store, this.#collection, { ...item, versionId })
  }

  async #remove(item: CommitItem & { kind: 'delete' | 'skip' }): Promise<CommitResult> {
    if (this.#waiting) return { status: 'waiting', pieces: [] }
    if (item.kind === 'skip') return acceptSkip(this.#store, this.#collection, item)
    return acceptDelete(this.#store, this.#collection, item)
  }

  async #upsert(item: CommitItem & { kind: 'upsert' }): Promise<CommitResult> {
    const { logId } = item
    const version = checkVersion(item.version, this.#collection)
    const distributedId = checkDistributedId(item.distributedId)
    if (this.#waiting) return this.#wait(version)
    const whole = await this.#findFinished(distributedId)
    const commit = (content: CheckedContent) => {
      return this.#store.catalog.upsert({ logId, version, distributedId, ...content })
    }
    if (!whole) return this.#commitWhole(version, commit)
    // Sent again, or by a second run that finished with the same content: it is in.
    const { lacking } = await this.#checker.check(version, { lackingOnly: true })
    if (lacking.length === 0 && (await holdsEntries(this.#store, whole.pieces, version.pieces))) {
      return { status: 'committed', id: version.id, number: 0, unchanged: true }
    }
    return { status: 'committed', ...(await commit({ packs: [], objects: [] })) }
  }

  async #findFinished(distributedId: string): Promise<Version | undefined> {
    const { catalog } = this.#store
    const open = await catalog.findOpen({ ...this.#collection, distributedId })
    if (!open?.finished) return undefined
    return (await catalog.getVersion(open.finished.id)) ?? undefined
  }

  async #finish({ logId, ...item }: CommitItem & { kind: 'finish' }): Promise<CommitResult> {
    const distributedId = checkDistributedId(item.distributedId)
    const aliases = checkUserAliases(item.aliases)
    if (this.#waiting) return { status: 'waiting', pieces: [] }
    const { id, number, unchanged } = await finishVersion(
      this.#store,
      { ...this.#collection, distributedId },
      { logId, aliases, onConflict: item.onConflict },
    )
    return { status: 'committed', id, number, unchanged }
  }

  async #acceptVersion(item: VersionItem): Promise<CommitResult> {
    const version = checkVersion(item.version, this.#collection)
    const aliases = checkUserAliases(item.aliases)
    if (this.#waiting) return this.#wait(version)
    const known = await this.#findKnown(version)
    if (known) return known
    const { logId } = item
    return this.#commitWhole(version, content => {
      return this.#store.catalog.log({ logId, version, aliases, ...content })
    })
  }

  /** The answer for a version that was committed before. */
  async #findKnown(version: VersionContent): Promise<CommitResult | undefined> {
    const known = await this.#store.catalog.getVersion(version.id)
    if (known) return answerKnown(known, version)
    const [deleted] = await this.#store.catalog.findDeleted([version.id])
    if (!deleted || !isIn(deleted, version)) return undefined
    return { status: 'committed', id: version.id, number: deleted.number, unchanged: false }
  }

  async #wait(version: VersionContent): Promise<CommitResult> {
    const { lacking } = await this.#checker.check(version, { lackingOnly: true })
    return { status: 'waiting', pieces: lacking }
  }

  /** Commits what is not lacking anything. */
  async #commitWhole(
    version: VersionContent,
    commit: (content: CheckedContent) => Promise<LogAnswer>,
  ): Promise<CommitResult> {
    for (let attempt = 1; ; attempt += 1) {
      const { lacking, packs, objects } = await this.#checker.check(version)
      if (lacking.length > 0) {
        await checkTakenType(this.#store, version)
        return { status: 'incomplete', pieces: lacking }
      }
      // The journal names the packs, so that their locations outlive an index that was not flushed.
      const content = { complete: true, packs, objects, epoch: this.#epoch }
      try {
        return { status: 'committed', ...(await commit(content)) }
      } catch (error) {
        // Something turned out damaged since it was looked for.
        if (!isArtifactError(error, 'BLOB_MISSING') || attempt === ATTEMPTS) throw error
        await this.#beginAgain()
      }
    }
  }

  async #beginAgain(): Promise<void> {
    this.#epoch = (await this.#store.catalog.describe()).epoch
    this.#checker = new ManifestChecker(this.#store)
  }

  async #moveAliases(item: CommitItem & { kind: 'alias' }): Promise<CommitResult> {
    const { logId, run } = item
    if (run) checkRun(run)
    const aliases = checkUserAliases(item.aliases)
    const sent = checkId(item.versionId)
    const versionId = this.#knownAs.get(sent) ?? sent
    if (this.#waiting) return { status: 'waiting', pieces: [] }
    const version = await this.#store.catalog.getVersion(versionId)
    if (!version) await expectNotDeleted(this.#store, this.#collection, versionId)
    if (!version || !isIn(version, this.#collection)) {
      const { project, name } = this.#collection
      const message = `"${project}/${name}" has no version @${versionId}`
      throw new ArtifactError('VERSION_NOT_FOUND', message, { details: { id: versionId } })
    }
    const answer = await this.#store.catalog.moveAliases({ logId, versionId, aliases, run })
    return { status: 'committed', ...answer }
  }
}

/** The caller's faults. Damage and full disks are the store's, and a later call may succeed. */
function isRefusal(error: unknown): error is ArtifactError {
  if (!(error instanceof ArtifactError)) return false
  return ERRORS[error.code].http < 500 && error.code !== 'BLOB_MISSING'
}

/** A version that is here already: sent again because the first answer was lost. */
function answerKnown(known: Version, version: VersionContent): CommitResult {
  const same =
    isIn(known, version) &&
    known.pieces.length === version.pieces.length &&
    known.pieces.every(({ digest }, index) => digest === version.pieces[index]?.digest)
  if (!same) throw invalid(`the id ${version.id} belongs to another version`, { id: version.id })
  return { status: 'committed', id: known.id, number: known.number, unchanged: false }
}

function isIn(version: CollectionName, { entity, project, name }: CollectionName): boolean {
  return version.entity === entity && version.project === project && version.name === name
}

function checkVersion(version: VersionContent, collection: CollectionName): VersionContent {
  const { id, algorithm, digest, size, fileCount, pieces, run } = version
  checkId(id)
  if (checkProject(version.project) !== collection.project) throw wrongCollection(version)
  if (checkName(version.name) !== collection.name) throw wrongCollection(version)
  if (run) checkRun(run)
  if (!isDigest(`${algorithm}:${digest}`)) throw invalid(`not a digest of ${algorithm}: ${digest}`)
  checkCount('size', size, Number.MAX_SAFE_INTEGER)
  checkCount('number of files', fileCount, Number.MAX_SAFE_INTEGER)
  for (const piece of pieces) {
    if (!isDigest(piece.digest) || algorithmOf(piece.digest) !== algorithm) {
      throw invalid(`a piece has no digest of ${algorithm}: ${piece.digest}`)
    }
    checkCount('size of a piece', piece.size, MAX_PIECE_BYTES)
    checkCount('count of a piece', piece.count, MAX_PIECE_BYTES)
  }
  return {
    ...version,
    entity: collection.entity,
    type: checkType(version.type, version.name),
    tags: checkTags(version.tags),
    metadata: normalizeMetadata(version.metadata),
  }
}

function checkCount(what: string, value: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return
  throw invalid(`the ${what} is not a whole number from 0 to ${max}: ${value}`)
}

function wrongCollection({ project, name }: CollectionName): ArtifactError {
  return invalid('a version belongs to another collection', { project, name })
}

function invalid(message: string, details?: Record<string, unknown>): ArtifactError {
  return new ArtifactError('REQUEST_INVALID', message, { details })
}
