import type { Digest } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import type { EdgeQuery, FoundEdge } from '../model/lineage.js'
import type { OpenName } from '../model/open-version-id.js'
import type { Selector } from '../model/reference-name.js'
import type { CollectionName, Version } from '../model/version.js'
import type { VersionRow } from './apply-record.js'
import type { ChunkPlace } from './caches.js'
import type {
  Catalog,
  ExternalFile,
  FoundVersion,
  History,
  Page,
  PendingItem,
  PlacedKey,
  RemoteMark,
  StoreState,
  VersionFilter,
  VersionSummary,
} from './catalog.js'
import { MAX_BATCH } from './catalog.js'
import type { DeletedVersion, KeptConflict } from './changing.js'
import { findVersion, getVersion, listVersions } from './find-version.js'
import { findMark, knowsHistory, readHistory } from './history.js'
import * as caches from './index-caches.js'
import type { Root } from './keeping.js'
import { keys, LOCATION_RANGE } from './keys.js'
import { listConflicts } from './list-conflicts.js'
import { listEdges } from './list-edges.js'
import { listPacked } from './list-packed.js'
import { listParts } from './list-parts.js'
import { listPending } from './list-pending.js'
import { listRoots } from './list-roots.js'
import { listStored } from './list-stored.js'
import type { OpenVersion, Part } from './open-version.js'
import type { Database } from './transaction.js'

/**
 * What a catalog reads in its index and nowhere else. See {@link Catalog} for each method.
 */
export class LevelReader {
  protected readonly db: Database

  constructor(db: Database) {
    this.db = db
  }

  listPacked(packId: string, after?: string): Promise<Page<PlacedKey>> {
    return listPacked(this.db, packId, after)
  }

  async locateExternal(digests: Digest[]): Promise<ExternalFile[][]> {
    checkBatch(digests)
    const rows = await this.db.getMany(digests.map(keys.external))
    return rows.map(row => (row as ExternalFile[] | undefined) ?? [])
  }

  async findReferences(names: string[]): Promise<({ digest: Digest; size: number } | null)[]> {
    checkBatch(names)
    return caches.findReferences(this.db, names)
  }

  async findChunks(digests: Digest[]): Promise<(ChunkPlace | null)[]> {
    checkBatch(digests)
    return caches.findChunks(this.db, digests)
  }

  async describe(): Promise<StoreState> {
    const epoch = (await this.db.get(keys.epoch)) as string
    const first = await this.db
      .keys<Buffer>({ ...LOCATION_RANGE, limit: 1, keyEncoding: 'buffer' })
      .all()
    const history = await readHistory(this.db)
    return { epoch, empty: first.length === 0, ...(history && { history }) }
  }

  async getFolders(folders: string[]): Promise<(string | null)[]> {
    checkBatch(folders)
    return caches.getFolders(this.db, folders)
  }

  listEdges(queries: EdgeQuery[], after?: string): Promise<Page<FoundEdge>> {
    return listEdges(this.db, queries, after)
  }

  listConflicts(filter: VersionFilter, after?: string): Promise<Page<KeptConflict>> {
    return listConflicts(this.db, filter, after)
  }

  async findOpen(open: OpenName): Promise<OpenVersion | null> {
    return ((await this.db.get(keys.open(open))) as OpenVersion | undefined) ?? null
  }

  listParts(open: OpenName, after?: string): Promise<Page<Part>> {
    return listParts(this.db, open, after)
  }

  findVersion(collection: CollectionName, selector: Selector): Promise<FoundVersion> {
    return findVersion(this.db, collection, selector)
  }

  getVersion(id: string): Promise<Version | null> {
    return getVersion(this.db, id)
  }

  async findDeleted(ids: string[]): Promise<(DeletedVersion | null)[]> {
    checkBatch(ids)
    const rows = await this.db.getMany(ids.map(keys.deleted))
    return rows.map(row => (row as DeletedVersion | undefined) ?? null)
  }

  async listRemoteIds(ids: string[]): Promise<(string | null)[]> {
    checkBatch(ids)
    const rows = await this.db.getMany(ids.flatMap(id => [keys.version(id), keys.deleted(id)]))
    const remoteIds = rows.map(row => (row as VersionRow | undefined)?.remoteId)
    return ids.map((_, index) => remoteIds[2 * index] ?? remoteIds[2 * index + 1] ?? null)
  }

  async getExternal(id: string): Promise<Piece[]> {
    const row = (await this.db.get(keys.version(id))) as VersionRow | undefined
    return row?.external ?? []
  }

  listVersions(filter: VersionFilter, after?: string): Promise<Page<VersionSummary>> {
    return listVersions(this.db, filter, after)
  }

  listPending(after?: string): Promise<Page<PendingItem>> {
    return listPending(this.db, after)
  }

  findMark(url: string): Promise<RemoteMark | null> {
    return findMark(this.db, url)
  }

  knows(history: History): Promise<boolean> {
    return knowsHistory(this.db, history)
  }

  listRoots(after?: string): Promise<Page<Root>> {
    return listRoots(this.db, after)
  }

  listStored(after?: string): Promise<{ rows: string; next?: string }> {
    return listStored(this.db, after)
  }
}

export function checkBatch(items: unknown[]): void {
  if (items.length > MAX_BATCH) throw new TypeError(`at most ${MAX_BATCH} items a call`)
}
