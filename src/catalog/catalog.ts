import type { ErrorData } from '../errors.js'
import type { BlobKey, BlobKind } from '../model/blob-key.js'
import type { OnConflict } from '../model/commit.js'
import type { Digest } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import type { EdgeQuery, FoundEdge } from '../model/lineage.js'
import type { OpenName } from '../model/open-version-id.js'
import type { Selector } from '../model/reference-name.js'
import type { CollectionName, RunInfo, Version, VersionContent } from '../model/version.js'
import type { Conflict, VersionChange } from '../model/version-change.js'
import type { ChunkPlace, FolderCache, ObjectChunk, ReferenceContent } from './caches.js'
import { CHANGING_METHODS, type Changing } from './changing.js'
import { KEEPING_METHODS, type Keeping } from './keeping.js'
import type { FinishRequest, OpenVersion, Part, UpsertRequest } from './open-version.js'
import type { UseRequest } from './plan-use.js'

/** Where stored bytes lie: a record of a pack, or a whole file under `objects/`. */
export type Location =
  | {
      in: 'pack'
      packId: string
      offset: number
      storedLength: number
      encoding: 0 | 1
      size: number
    }
  | { in: 'object'; size: number }

/** Bytes in the store, by where they lie. */
export interface PlacedKey {
  key: BlobKey
  location: Location
}

export interface KeyRef {
  kind: BlobKind
  digest: Digest
}

/** A file outside the store that holds a blob (policy `immutable`), and its stat when hashed. */
export interface ExternalFile {
  digest: Digest
  file: string
  size: number
  /** Decimal nanoseconds. */
  mtimeNs: string
  ctimeNs: string
  ino: string
}

/** Aliases, and how they came: everything that one log or alias move asks for. */
export interface LogRequest {
  /** Random, made by the caller: the answer is stored under it and found before any other rule. */
  logId: string
  version: VersionContent
  /** Without `latest`, which moves in any case. */
  aliases: string[]
  /** The remote to send it to (null: the first that is configured); absent on a server. */
  target?: { remote: string | null }
  /** Every entry was found present just now, so the pieces vouch for their blobs from here on. */
  complete?: boolean
  /** Packs and objects that are durable and were added for this version. */
  packs: string[]
  objects: BlobKey[]
  /** Pieces that list the {@link ExternalFile}s of the version. */
  external?: Piece[]
  /** {@link StoreState.epoch} as it was before the first of the content was looked for here. */
  epoch?: string
  /**
   * The version that this one was made of. If a remote has it, what was taken over from it need not
   * be here.
   */
  base?: string
  /** The version that must be `latest` now, or null for none. Absent: whatever is. */
  ifLatest?: string | null
  /** The `logId` of a log that must have been committed; many that are asked for at once keep order. */
  after?: string | undefined
}

export interface LogAnswer {
  /** The version that holds the content: the one asked for, or the one that it is identical to. */
  id: string
  number: number
  unchanged: boolean
  /** Of an edit: what it came upon. */
  conflicts?: Conflict[]
}

export interface AliasRequest extends Pick<LogRequest, 'target'> {
  logId: string
  versionId: string
  aliases: string[]
  /** The run that logged what the version has; null or absent for a log outside of a run. */
  run?: RunInfo | null
}

/** A version of a remote, with what is needed to hold it here. */
export interface ImportRequest {
  version: Omit<Version, 'state'>
  packs: string[]
  objects: BlobKey[]
  /** The remote's store id and the time of its answer (ISO 8601). */
  storeId: string
  asOf: string
  /** As in a {@link LogRequest}. */
  epoch?: string
  /** Files are not brought: a version that was not whole here counts as evicted. Default false. */
  manifestOnly?: boolean
}

export interface FoundVersion {
  version: Version
  /** When the answer was last known to be the remote's (ISO 8601); null if it never left here. */
  asOf: string | null
  /** True for an alias that a pending version here moved: the remote does not know better. */
  pendingAlias: boolean
  /** True once a remote gave the number. */
  settled: boolean
}

export interface RenameRequest {
  from: CollectionName
  /** In the same project. */
  to: string
}

/**
 * How far the journal of a server went: `seq` records, the last of them of the era `era` (random,
 * another with each start of the server). A store that was put back to an older state, and got new
 * records since, knows the era but not that many records of it.
 */
export interface History {
  era: string
  seq: number
}

/** The store that answered at an address, and how far it went then, if it told. */
export interface RemoteMark {
  storeId: string
  history?: History
}

/** What an ingest must know of a store. */
export interface StoreState {
  /** Changes whenever bytes were removed: what was known to be there may not be any more. */
  epoch: string
  /** There are no bytes yet, so that nothing need be looked up. */
  empty: boolean
  /** Of a store that is, or was, served. */
  history?: History
}

/** A version without its piece list. */
export type VersionSummary = Omit<Version, 'pieces'> & { settled: boolean; error?: ErrorData }

export interface VersionFilter {
  entity?: string
  project?: string
  name?: string
  type?: string
  state?: Version['state']
}

export interface Page<T> {
  items: T[]
  /** Pass as `after` for the next page; absent on the last. */
  next?: string
}

/** Something that the remote does not know yet, in the order of the journal. */
export interface PendingItem extends CollectionName {
  seq: number
  /** `upsert`: a part of an open version; `finish`: the request to close one. */
  kind: 'version' | 'alias' | 'upsert' | 'finish' | 'use' | 'edit' | 'delete'
  logId: string
  /** The version's, or the part's. */
  versionId: string
  /** Of a `use`; and of an `alias`, when it is not known there yet that it logged the version. */
  run?: RunInfo
  /** Of an `upsert` and a `finish`. */
  distributedId?: string
  /** Of a `finish`. */
  onConflict?: OnConflict
  /** Of an `edit`. */
  change?: VersionChange
  /** Of a `delete`: all versions; `versionId` is the first. */
  ids?: string[]
  deleteAliases?: boolean
  type: string
  aliases: string[]
  remote: string | null
  /** Set when the remote refused it for good; its collection waits until a retry. */
  error?: ErrorData
}

export interface SettledItem {
  seq: number
  /** The number the remote gave. */
  number: number
  /** The remote's version, when it already had the same content under another id. */
  remoteId?: string
  conflicts?: Conflict[]
}

/**
 * The index over the journal and the packs of one store: collections, versions, aliases, blob
 * locations, sync state.
 *
 * Calls are stateless and may be repeated: a lost answer is asked for again. What `log`, `move`,
 * `import` and `settle` answered is durable. Every call sees everything that was answered before
 * it began, by whichever process. Calls of one process take effect in the order they were made;
 * numbers are given per collection without holes. Lists are paged by key and hold at most
 * {@link MAX_BATCH} items a call. Failures are coded errors; absence in `locate` is null.
 */
export interface Catalog extends Keeping, Changing {
  /** Where each of at most {@link MAX_BATCH} keys lies in the store; null for what is not here. */
  locate(keys: KeyRef[]): Promise<(Location | null)[]>
  /** What lies in one pack, in the order of the index. It reads the whole index. */
  listPacked(packId: string, after?: string): Promise<Page<PlacedKey>>
  /** Files outside the store for each digest, newest last; empty where there is none. */
  locateExternal(digests: Digest[]): Promise<ExternalFile[][]>
  /** What was remembered under each of at most {@link MAX_BATCH} names; null where nothing was. */
  findReferences(names: string[]): Promise<({ digest: Digest; size: number } | null)[]>
  /** Remembers contents. A cache, in no journal: it is lost when the index is rebuilt. */
  rememberReferences(contents: ReferenceContent[]): Promise<void>
  /** Objects that hold chunks with these digests; null where none is remembered. */
  findChunks(digests: Digest[]): Promise<(ChunkPlace | null)[]>
  /**
   * Remembers at most {@link MAX_BATCH} chunks of an object. A cache, as that of references: what
   * is read from such a place is hashed before it counts.
   */
  rememberChunks(object: Digest, chunks: ObjectChunk[]): Promise<void>
  /** As of now; another process may add bytes at any time. */
  describe(): Promise<StoreState>
  /** Records of the stat cache, by their paths, see `FolderCache`; null where there is none. */
  getFolders(folders: string[]): Promise<(string | null)[]>
  /** Keeps records of the stat cache: an index that may be lost, never the truth. */
  putFolders(folders: FolderCache[]): Promise<void>
  /** Makes the records of a flushed, renamed pack locatable. */
  addPack(packId: string): Promise<void>
  /** Makes flushed, renamed objects locatable. @throws `BLOB_MISSING` for one that is not there. */
  addObjects(keys: BlobKey[]): Promise<void>
  /**
   * Forgets places whose bytes are wrong or gone, at most {@link MAX_BATCH}: durable when it
   * resolves, and kept to when the index is rebuilt. A place that the catalog does not hold any more
   * is passed over, and so is an object whose file is there: whoever removes one has moved its file
   * away before, so that this is a newer one. If any was forgotten, the epoch is another, and no
   * piece vouches for its blobs any more.
   */
  remove(request: { places: PlacedKey[] }): Promise<void>

  /**
   * Commits a version: durable when it resolves. A manifest with the same pieces as that of the
   * collection's `latest` makes no new version; the aliases move all the same. If bytes were removed
   * since the request's epoch, everything that the version needs is looked for again.
   * @throws `TYPE_CONFLICT` when the collection has another type; `BLOB_MISSING`, naming the path,
   *   when something that it needs was removed meanwhile; `LATEST_MOVED`.
   */
  log(request: LogRequest): Promise<LogAnswer>
  /** Moves aliases to a version, as a client asked that had logged identical content. */
  moveAliases(request: AliasRequest): Promise<LogAnswer>
  /** Records that a run used a version, once for all: durable when it resolves. */
  use(request: UseRequest): Promise<LogAnswer>
  /**
   * Which runs used or logged versions, and which versions runs used or logged, one query after
   * another. The same edge may answer two queries.
   * @param queries at most {@link MAX_EDGE_QUERIES}, the same for every page.
   * @throws `REQUEST_INVALID` for an `after` that is of no page of these queries.
   */
  listEdges(queries: EdgeQuery[], after?: string): Promise<Page<FoundEdge>>
  /**
   * Adds a part to an open version, which comes to be with its first: durable when it resolves, and
   * visible only to `listParts` and, under the part's own id, to `getVersion`. `number` says how
   * many parts were there before.
   * @throws `ARTIFACT_FINALIZED` once the open version is closed; `TYPE_CONFLICT`;
   *   `DIGEST_NOT_ACCEPTED` when earlier parts have another algorithm; `BLOB_MISSING` as `log`.
   */
  upsert(request: UpsertRequest): Promise<LogAnswer>
  /** Ends upserts: the parts stay as they are from here on. @throws `VERSION_NOT_FOUND`. */
  closeOpen(open: OpenName): Promise<void>
  /**
   * Makes the version of which a closed open version consists; the first call decides, and later
   * ones are answered as it was. It is always a version of its own, under `openVersionId`. With a
   * `target` that names a remote it is `closing`, without number and aliases, and the request to
   * finish is pending until the remote has merged what all machines sent.
   */
  finish(request: FinishRequest): Promise<LogAnswer>
  /** Null when nothing was added under this distributed id. */
  findOpen(open: OpenName): Promise<OpenVersion | null>
  /** The parts of an open version in the order of their upserts; once finished, those left out. */
  listParts(open: OpenName, after?: string): Promise<Page<Part>>
  /**
   * Holds a version of a remote here, under the id and number that it has there. Of one that is
   * held already it takes what changed, the time of the answer at least.
   * @throws as `log`.
   */
  import(request: ImportRequest): Promise<void>

  /** @throws `ARTIFACT_NOT_FOUND`, `VERSION_NOT_FOUND` or `VERSION_RENUMBERED`. */
  findVersion(collection: CollectionName, selector: Selector): Promise<FoundVersion>
  /** The version with exactly this id, or null. */
  getVersion(id: string): Promise<Version | null>
  /** The external-file pieces of a version. */
  getExternal(id: string): Promise<Piece[]>
  /** By entity, project, name and number; ascending. */
  listVersions(filter: VersionFilter, after?: string): Promise<Page<VersionSummary>>
  /** Which of these pieces vouch for their blobs. */
  listComplete(pieces: Digest[]): Promise<boolean[]>
  /** In the order of the journal; see `pendingAfter` too. */
  listPending(after?: string): Promise<Page<PendingItem>>
  /**
   * Records the remote's answers; the items are pending no more. `from` is kept for `findMark`: the
   * address that answered and how far its history goes, these items included.
   */
  settle(
    storeId: string,
    items: SettledItem[],
    from?: { url: string; history?: History },
  ): Promise<void>
  /** Which store was at this address when it took something; null when it never did. */
  findMark(url: string): Promise<RemoteMark | null>
  /**
   * Makes all that a remote took pending again, in the order of the log, and forgets its marks. To be
   * called when it lost some: what it still has is answered as it was the first time.
   * @returns how many items.
   */
  unsettle(storeId: string): Promise<number>
  /**
   * Puts all that is pending of a collection whose type the remote refused under another name, in the
   * same order and behind what is there; ids and content stay. Once it is done, it does nothing.
   * @returns how many versions.
   * @throws `RENAME_REFUSED` when nothing was refused because of its type, or parts of a version that
   *   a group builds are pending; `TYPE_CONFLICT` when the new name has another type here.
   */
  rename(request: RenameRequest): Promise<number>
  /**
   * Gives up a part, with exactly this id, that a remote refused: it is pending no more, and not here.
   * @throws `VERSION_NOT_FOUND` when there is none, or it was not refused.
   */
  dropPart(id: string): Promise<void>
  /** A server begins to serve this store. */
  beginEra(): Promise<void>
  /** Whether the journal of this store holds everything that it did at that point of its history. */
  knows(history: History): Promise<boolean>
  /** Marks an item as refused, or (without error) as to be tried again. */
  setPendingError(seq: number, error?: ErrorData): Promise<void>
}

/** Most keys or items in one call: keeps a message under about a megabyte. */
export const MAX_BATCH = 5000

/**
 * Every method of the catalog, as it is called over the socket. A store on a read-only disk answers
 * those that only read.
 */
export const CATALOG_METHODS: Record<keyof Catalog, 'reads' | 'writes'> = {
  locate: 'reads',
  listPacked: 'reads',
  locateExternal: 'reads',
  describe: 'reads',
  getFolders: 'reads',
  putFolders: 'writes',
  findReferences: 'reads',
  rememberReferences: 'writes',
  findChunks: 'reads',
  rememberChunks: 'writes',
  addPack: 'writes',
  addObjects: 'writes',
  remove: 'writes',
  log: 'writes',
  moveAliases: 'writes',
  use: 'writes',
  listEdges: 'reads',
  upsert: 'writes',
  closeOpen: 'writes',
  finish: 'writes',
  findOpen: 'reads',
  listParts: 'reads',
  import: 'writes',
  findVersion: 'reads',
  getVersion: 'reads',
  getExternal: 'reads',
  listVersions: 'reads',
  listComplete: 'reads',
  listPending: 'reads',
  settle: 'writes',
  findMark: 'reads',
  unsettle: 'writes',
  rename: 'writes',
  dropPart: 'writes',
  beginEra: 'writes',
  knows: 'reads',
  setPendingError: 'writes',
  ...KEEPING_METHODS,
  ...CHANGING_METHODS,
}

/** The role under which the process that serves a catalog announces itself. */
export const HOST_ROLE = 'host'
