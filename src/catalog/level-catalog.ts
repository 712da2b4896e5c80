import { ArtifactError, type ErrorData, storeError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Digest } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import type { EdgeQuery, FoundEdge } from '../model/lineage.js'
import type { OpenName } from '../model/open-version-id.js'
import type { Selector } from '../model/reference-name.js'
import type { CollectionName, Version } from '../model/version.js'
import { newEpoch, type VersionRow } from './apply-record.js'
import type { ChunkPlace, FolderCache, ObjectChunk, ReferenceContent } from './caches.js'
import type {
  AliasRequest,
  Catalog,
  ExternalFile,
  FoundVersion,
  History,
  ImportRequest,
  KeyRef,
  Location,
  LogAnswer,
  LogRequest,
  Page,
  PendingItem,
  PlacedKey,
  RemoteMark,
  RenameRequest,
  SettledItem,
  StoreState,
  VersionFilter,
  VersionSummary,
} from './catalog.js'
import { MAX_BATCH } from './catalog.js'
import { checkContent } from './check-content.js'
import { CommitQueue } from './commit-queue.js'
import { planDropPart } from './drop-part.js'
import { findVersion, getVersion, listVersions } from './find-version.js'
import { findMark, knowsHistory, readHistory } from './history.js'
import { indexObjects, indexPack } from './index-bytes.js'
import { indexExternal } from './index-external.js'
import type { Journal } from './journal.js'
import { keyRange, keys, LOCATION_RANGE, locationKey, pageRange } from './keys.js'
import { listEdges } from './list-edges.js'
import { listPacked } from './list-packed.js'
import { listParts } from './list-parts.js'
import type { FinishRequest, OpenVersion, Part, UpsertRequest } from './open-version.js'
import {
  NO_ANSWER,
  type Plan,
  planAliases,
  planImport,
  planLog,
  planRemoval,
} from './plan-commit.js'
import { planRename } from './plan-rename.js'
import { planClose, planFinish, planUpsert } from './plan-upsert.js'
import { planUse, type UseRequest } from './plan-use.js'
import { type Database, locateIn, type Transaction } from './transaction.js'

/**
 * The {@link Catalog} of one store over its journal and a LevelDB. It must be the only one: open
 * it through `openLevelCatalog`, which takes LevelDB's lock.
 *
 * After LevelDB refused a write, the index is behind the journal: every later call fails with
 * `STORE_FAILED` until the catalog is opened again, which replays what is missing.
 */
export class LevelCatalog implements Catalog {
  readonly #home: string
  readonly #db: Database
  readonly #journal: Journal
  readonly #commits: CommitQueue
  #broken: ArtifactError | undefined

  constructor(home: string, db: Database, journal: Journal, clock = () => new Date()) {
    this.#home = home
    this.#db = db
    this.#journal = journal
    this.#commits = new CommitQueue({
      home,
      db,
      journal,
      clock,
      checkWhole: () => this.#checkWhole(),
      write: work => this.#write(work),
    })
  }

  /** The failure after which this catalog must be opened anew, if there was one. */
  get broken(): ArtifactError | undefined {
    return this.#broken
  }

  async locate(refs: KeyRef[]): Promise<(Location | null)[]> {
    checkBatch(refs)
    return locateIn(this.#db, refs.map(locationKey))
  }

  listPacked(packId: string, after?: string): Promise<Page<PlacedKey>> {
    return listPacked(this.#db, packId, after)
  }

  async locateExternal(digests: Digest[]): Promise<ExternalFile[][]> {
    checkBatch(digests)
    const rows = await this.#db.getMany(digests.map(keys.external))
    return rows.map(row => (row as ExternalFile[] | undefined) ?? [])
  }

  async findReferences(names: string[]): Promise<({ digest: Digest; size: number } | null)[]> {
    checkBatch(names)
    const rows = await this.#db.getMany(names.map(keys.reference))
    return rows.map(row => (row as { digest: Digest; size: number } | undefined) ?? null)
  }

  async rememberReferences(contents: ReferenceContent[]): Promise<void> {
    checkBatch(contents)
    await this.#write(() =>
      this.#db.batch(
        contents.map(({ name, digest, size }) => ({
          type: 'put' as const,
          key: keys.reference(name),
          value: { digest, size },
        })),
      ),
    )
  }

  async findChunks(digests: Digest[]): Promise<(ChunkPlace | null)[]> {
    checkBatch(digests)
    const rows = await this.#db.getMany(digests.map(keys.chunk))
    return rows.map(row => (row as ChunkPlace | undefined) ?? null)
  }

  async rememberChunks(object: Digest, chunks: ObjectChunk[]): Promise<void> {
    checkBatch(chunks)
    await this.#write(() =>
      this.#db.batch(
        chunks.map(({ digest, offset }) => ({
          type: 'put' as const,
          key: keys.chunk(digest),
          value: { object, offset } satisfies ChunkPlace,
        })),
      ),
    )
  }

  async describe(): Promise<StoreState> {
    const epoch = (await this.#db.get(keys.epoch)) as string
    const first = await this.#db
      .keys<Buffer>({ ...LOCATION_RANGE, limit: 1, keyEncoding: 'buffer' })
      .all()
    const history = await readHistory(this.#db)
    return { epoch, empty: first.length === 0, ...(history && { history }) }
  }

  async getFolders(folders: string[]): Promise<(string | null)[]> {
    checkBatch(folders)
    const found = await this.#db.getMany<string, Buffer>(folders.map(keys.folder), {
      valueEncoding: 'buffer',
    })
    return found.map(value => value?.toString('base64') ?? null)
  }

  async putFolders(folders: FolderCache[]): Promise<void> {
    checkBatch(folders)
    await this.#write(() =>
      this.#db.batch<string, Buffer>(
        folders.map(({ folder, record }) => ({
          type: 'put',
          key: keys.folder(folder),
          value: Buffer.from(record, 'base64'),
        })),
        { valueEncoding: 'buffer' },
      ),
    )
  }

  async addPack(packId: string): Promise<void> {
    const found = await this.#write(() => indexPack(this.#db, this.#home, packId))
    if (!found) throw new ArtifactError('BLOB_MISSING', `the pack ${packId} is not in the store`)
  }

  async addObjects(objects: BlobKey[]): Promise<void> {
    await this.#write(() => indexObjects(this.#db, objects))
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

  listEdges(queries: EdgeQuery[], after?: string): Promise<Page<FoundEdge>> {
    return listEdges(this.#db, queries, after)
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

  async findOpen(open: OpenName): Promise<OpenVersion | null> {
    return ((await this.#db.get(keys.open(open))) as OpenVersion | undefined) ?? null
  }

  listParts(open: OpenName, after?: string): Promise<Page<Part>> {
    return listParts(this.#db, open, after)
  }

  async import(request: ImportRequest): Promise<void> {
    await this.#commits.commit(async (txn, at) => {
      await this.#addBytes(request)
      await checkContent(txn, this.#home, request)
      return planImport(txn, at, request)
    })
  }

  findVersion(collection: CollectionName, selector: Selector): Promise<FoundVersion> {
    return findVersion(this.#db, collection, selector)
  }

  getVersion(id: string): Promise<Version | null> {
    return getVersion(this.#db, id)
  }

  async listRemoteIds(ids: string[]): Promise<(string | null)[]> {
    checkBatch(ids)
    const rows = await this.#db.getMany(ids.map(keys.version))
    return rows.map(row => (row as VersionRow | undefined)?.remoteId ?? null)
  }

  async getExternal(id: string): Promise<Piece[]> {
    const row = (await this.#db.get(keys.version(id))) as VersionRow | undefined
    return row?.external ?? []
  }

  listVersions(filter: VersionFilter, after?: string): Promise<Page<VersionSummary>> {
    return listVersions(this.#db, filter, after)
  }

  async listComplete(pieces: Digest[]): Promise<boolean[]> {
    checkBatch(pieces)
    const [epoch, ...marks] = await this.#db.getMany([keys.epoch, ...pieces.map(keys.complete)])
    return marks.map(mark => mark === epoch)
  }

  async listPending(after?: string): Promise<Page<PendingItem>> {
    const range = pageRange(keyRange('pending'), after)
    const rows = await this.#db.iterator({ ...range, limit: MAX_BATCH }).all()
    const items = rows.map(([, value]) => value as PendingItem)
    const last = rows.at(-1)?.[0]
    return rows.length === MAX_BATCH && last ? { items, next: last } : { items }
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

  findMark(url: string): Promise<RemoteMark | null> {
    return findMark(this.#db, url)
  }

  async unsettle(storeId: string): Promise<number> {
    const { number } = await this.#commits.commit(async (txn, at) => {
      const sent = await txn.list(keyRange('sent', storeId))
      const answer = { ...NO_ANSWER, number: sent.size }
      return { record: { t: 'unsettled', at, storeId }, answer }
    })
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

  knows(history: History): Promise<boolean> {
    return knowsHistory(this.#db, history)
  }

  async setPendingError(seq: number, error?: ErrorData): Promise<void> {
    await this.#commits.commit(async txn => {
      const item = await txn.get<PendingItem>(keys.pending(seq))
      if (!item) return { answer: NO_ANSWER }
      const { error: _, ...clean } = item
      txn.put(keys.pending(seq), error ? { ...clean, error } : clean)
      const row = await txn.get<VersionRow>(keys.version(item.versionId))
      if (row && (item.kind === 'version' || item.kind === 'upsert')) {
        const { error: __, ...version } = row
        const before = item.kind === 'version' ? 'pending' : 'open'
        txn.put(keys.version(row.id), {
          ...version,
          state: error ? 'failed' : before,
          ...(error && { error }),
        } satisfies VersionRow)
      }
      return { answer: NO_ANSWER }
    })
  }

  /** Waits for the commits under way, then closes journal and index. */
  async close(): Promise<void> {
    await this.#commits.drain()
    await this.#journal.close()
    await this.#db.close()
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
    if (external) await this.#write(() => indexExternal(this.#db, this.#home, external))
    const planned = await plan()
    if (planned.record) await checkContent(txn, this.#home, request)
    return planned
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

function checkBatch(items: unknown[]): void {
  if (items.length > MAX_BATCH) throw new TypeError(`at most ${MAX_BATCH} items a call`)
}
