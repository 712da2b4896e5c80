import { ArtifactError, type ErrorData, storeError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Digest } from '../model/digest.js'
import type { OpenName } from '../model/open-version-id.js'
import { newEpoch } from './apply-record.js'
import type { FolderCache, ObjectChunk, ReferenceContent } from './caches.js'
import type {
  AliasRequest,
  Catalog,
  History,
  ImportRequest,
  KeyRef,
  Location,
  LogAnswer,
  LogRequest,
  PlacedKey,
  RenameRequest,
  SettledItem,
} from './catalog.js'
import type { DeleteRequest, EditRequest, SkipRequest } from './changing.js'
import { checkContent } from './check-content.js'
import { CommitQueue } from './commit-queue.js'
import { planDropPart } from './drop-part.js'
import { indexObjects, indexPack } from './index-bytes.js'
import * as caches from './index-caches.js'
import { indexExternal } from './index-external.js'
import type { Journal } from './journal.js'
import { Keeper } from './keeper.js'
import type { RemovalRequest } from './keeping.js'
import { packKey } from './key-table.js'
import { decodeLocation, keyRange, keys, locationKey } from './keys.js'
import { checkBatch, LevelReader } from './level-reader.js'
import type { FinishRequest, UpsertRequest } from './open-version.js'
import { encodePlaces, splitRefs } from './place-rows.js'
import {
  NO_ANSWER,
  type Plan,
  planAliases,
  planEviction,
  planImport,
  planLog,
  planRemoval,
} from './plan-commit.js'
import { planDelete, planSkip } from './plan-delete.js'
import { planEdit } from './plan-edit.js'
import { planPendingError } from './plan-pending-error.js'
import { planRename } from './plan-rename.js'
import { planClose, planFinish, planUpsert } from './plan-upsert.js'
import { planUse, type UseRequest } from './plan-use.js'
import { planRedirect } from './redirect.js'
import type { RemovedFiles } from './sweep.js'
import type { Database, Transaction } from './transaction.js'

/**
 * The {@link Catalog} of one store over its journal and a LevelDB. It must be the only one: open
 * it through `openLevelCatalog`, which takes LevelDB's lock.
 *
 * After LevelDB refused a write, the index is behind the journal: every later call fails with
 * `STORE_FAILED` until the catalog is opened again, which replays what is missing.
 */
export class LevelCatalog extends LevelReader implements Catalog {
  readonly #home: string
  readonly #journal: Journal
  readonly #commits: CommitQueue
  readonly #keeper: Keeper
  readonly #clock: () => Date
  #broken: ArtifactError | undefined

  constructor(home: string, db: Database, journal: Journal, clock = () => new Date()) {
    super(db)
    this.#home = home
    this.#journal = journal
    this.#clock = clock
    this.#keeper = new Keeper({ home, db, clock })
    this.#commits = new CommitQueue({
      home,
      db,
      journal,
      clock,
      checkWhole: () => this.#checkWhole(),
      onRecords: records => this.#keeper.noteRecords(records),
      write: work => this.#write(work),
    })
  }

  /** The failure after which this catalog must be opened anew, if there was one. */
  get broken(): ArtifactError | undefined {
    return this.#broken
  }

  async locate(refs: KeyRef[]): Promise<(Location | null)[]> {
    const found = await this.#locate(refs.map(locationKey))
    return found.map(value => (value ? decodeLocation(value) : null))
  }

  /** As `locate`, see `encodeRefs` and `decodePlaces`. */
  async locateRows(refs: string): Promise<string> {
    return encodePlaces(await this.#locate(splitRefs(refs)))
  }

  async rememberReferences(contents: ReferenceContent[]): Promise<void> {
    checkBatch(contents)
    await this.#write(() => caches.rememberReferences(this.db, contents))
  }

  async rememberChunks(object: Digest, chunks: ObjectChunk[]): Promise<void> {
    checkBatch(chunks)
    await this.#write(() => caches.rememberChunks(this.db, object, chunks))
  }

  async putFolders(folders: FolderCache[]): Promise<void> {
    checkBatch(folders)
    await this.#write(() => caches.putFolders(this.db, folders))
  }

  async addPack(packId: string): Promise<void> {
    const found = await this.#keeper.add([packKey(packId)], () => {
      return this.#write(() => indexPack(this.db, this.#home, packId))
    })
    if (!found) throw new ArtifactError('BLOB_MISSING', `the pack ${packId} is not in the store`)
  }

  async addObjects(objects: BlobKey[]): Promise<void> {
    await this.#keeper.add(objects.map(locationKey), () => {
      return this.#write(() => indexObjects(this.db, this.#home, objects))
    })
  }

  async log(request: LogRequest): Promise<LogAnswer> {
    return this.#commits.commit(async (txn, at) => {
      return this.#planContent(txn, request, () => planLog(txn, at, request))
    })
  }

  async remove({ places }: { places: PlacedKey[] }): Promise<void> {
    checkBatch(places)
    const home = this.#home
    await this.#commits.commit((txn, at) => planRemoval(txn, at, { places, home }))
  }

  async moveAliases(request: AliasRequest): Promise<LogAnswer> {
    return this.#commits.commit((txn, at) => planAliases(txn, at, request))
  }

  async use(request: UseRequest): Promise<LogAnswer> {
    return this.#commits.commit((txn, at) => planUse(txn, at, request))
  }

  async edit(request: EditRequest): Promise<LogAnswer> {
    return this.#commits.commit((txn, at) => planEdit(txn, at, request))
  }

  async delete(request: DeleteRequest): Promise<LogAnswer> {
    return this.#commits.commit((txn, at) => planDelete(txn, at, request))
  }

  async skip(request: SkipRequest): Promise<LogAnswer> {
    return this.#commits.commit((txn, at) => planSkip(txn, at, request))
  }

  async upsert(request: UpsertRequest): Promise<LogAnswer> {
    return this.#commits.commit(async (txn, at) => {
      return this.#planContent(txn, request, () => planUpsert(txn, at, request))
    })
  }

  async closeOpen(open: OpenName): Promise<void> {
    await this.#commits.commit((txn, at) => planClose(txn, at, open))
  }

  async finish(request: FinishRequest): Promise<LogAnswer> {
    return this.#commits.commit(async (txn, at) => {
      return this.#planContent(txn, request, () => planFinish(txn, at, request))
    })
  }

  async import(request: ImportRequest): Promise<void> {
    await this.#commits.commit(async (txn, at) => {
      await this.#addBytes(request)
      await checkContent(txn, this.#home, request)
      return planImport(txn, at, request)
    })
  }

  async listComplete(pieces: Digest[]): Promise<boolean[]> {
    checkBatch(pieces)
    const [epoch, ...marks] = await this.db.getMany([keys.epoch, ...pieces.map(keys.complete)])
    const complete = marks.map(mark => mark === epoch)
    this.#keeper.notePieces(pieces.filter((_, index) => complete[index]))
    return complete
  }

  async settle(
    storeId: string,
    items: SettledItem[],
    from: { url?: string; history?: History } = {},
  ): Promise<void> {
    await this.#commits.commit(async (_, at) => ({
      record: { t: 'settled', at, storeId, items, ...from },
      answer: NO_ANSWER,
    }))
  }

  async unsettle(storeId: string): Promise<number> {
    const { number } = await this.#commits.commit(async (txn, at) => {
      const sent = await txn.list(keyRange('sent', storeId))
      const answer = { ...NO_ANSWER, number: sent.size }
      return { record: { t: 'unsettled', at, storeId }, answer }
    })
    return number
  }

  async redirect(request: { from: string; to: string }): Promise<number> {
    const { number } = await this.#commits.commit((txn, at) => planRedirect(txn, at, request))
    return number
  }

  async rename(request: RenameRequest): Promise<number> {
    const { number } = await this.#commits.commit((txn, at) => planRename(txn, at, request))
    return number
  }

  async dropPart(id: string): Promise<void> {
    await this.#commits.commit((txn, at) => planDropPart(txn, at, id))
  }

  async beginEra(): Promise<void> {
    await this.#commits.commit(async (_, at) => {
      return { record: { t: 'era', at, id: newEpoch() }, answer: NO_ANSWER }
    })
  }

  async setPendingError(seq: number, error?: ErrorData): Promise<void> {
    await this.#commits.commit(txn => planPendingError(txn, seq, error))
  }

  async hold(id: string, seconds: number, again?: boolean): Promise<void> {
    this.#keeper.guard.hold(id, seconds, again)
  }

  async noteUse(ids: string[]): Promise<void> {
    checkBatch(ids)
    await this.#write(() => caches.noteUse(this.db, ids, this.#clock().getTime()))
  }

  async evict(ids: string[]): Promise<void> {
    checkBatch(ids)
    await this.#commits.commit((txn, at) => planEviction(txn, at, ids))
  }

  beginSweep(): Promise<string> {
    return this.#keeper.beginSweep(this.#commits)
  }

  removeFiles(request: RemovalRequest): Promise<RemovedFiles | null> {
    return this.#keeper.removeFiles(this.#commits, request)
  }

  /** Waits for the commits under way, then closes journal and index. */
  async close(): Promise<void> {
    await this.#commits.drain()
    await this.#journal.close()
    await this.db.close()
  }

  async #addBytes({ packs, objects }: { packs: string[]; objects: BlobKey[] }): Promise<void> {
    for (const packId of packs) await this.addPack(packId)
    if (objects.length > 0) await this.addObjects(objects)
  }

  /** Makes what a commit brings locatable, and plans it; what it needs must be there. */
  async #planContent(
    txn: Transaction,
    request: Omit<LogRequest, 'logId' | 'aliases'>,
    plan: () => Promise<Plan>,
  ): Promise<Plan> {
    await this.#addBytes(request)
    const { external } = request
    if (external) await this.#write(() => indexExternal(this.db, this.#home, external))
    const planned = await plan()
    if (planned.record) await checkContent(txn, this.#home, request)
    return planned
  }

  async #locate(locationKeys: Buffer[]): Promise<(Buffer | undefined)[]> {
    checkBatch(locationKeys)
    return this.#keeper.locate(locationKeys)
  }

  #checkWhole(): void {
    if (this.#broken) throw this.#broken
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    this.#checkWhole()
    try {
      return await work()
    } catch (error) {
      if (error instanceof ArtifactError) throw error
      const cause = (error as Error).cause ?? error
      this.#broken = storeError(diskFull(cause) ?? cause, 'writing the index of the store')
      throw this.#broken
    }
  }
}

/** LevelDB reports a full disk in words only. */
function diskFull(error: unknown): Error | undefined {
  if (!/no space left on device/i.test(String((error as Error)?.message))) return undefined
  return Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
}
