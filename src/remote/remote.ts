import type {
  History,
  Page,
  RemoteMark,
  VersionFilter,
  VersionSummary,
} from '../catalog/catalog.js'
import type { ArtifactError, ErrorData } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { CommitItem, CommitResult } from '../model/commit.js'
import type { Algorithm } from '../model/digest.js'
import type { EdgeQuery, FoundEdge } from '../model/lineage.js'
import type { Selector } from '../model/reference-name.js'
import type { CollectionName, Version } from '../model/version.js'
import type { WireItem } from '../pack/encode-pack-stream.js'
import type { Encoding } from '../pack/format.js'
import type { StreamedItem } from '../pack/parse-pack-stream.js'

export type { CommitItem, CommitResult } from '../model/commit.js'

/** What a server can do. */
export interface Capabilities {
  storeId: string
  protocol: { min: number; max: number }
  /** Digest algorithms that it takes. */
  digests: Algorithm[]
  /** Encodings of records that it takes; 0, as is, always. */
  encodings: Encoding[]
  /** Takes recipes: a large blob may be sent as chunks and the recipe that makes it. */
  recipes: boolean
  /** The entity that "default" stands for. */
  entity: string
  /** How far its history goes, as of this answer; absent when it does not tell. */
  history?: History
}

export interface CommitAnswer {
  storeId: string
  /** As of this answer, so that they need not be asked for; a remote may leave them out. */
  capabilities?: Capabilities
  /** One for each item. */
  results: CommitResult[]
}

export interface SendResult {
  /** Records that were verified and are durable. */
  stored: number
  /** Records that were not, with the reason. */
  rejected: { key: BlobKey; error: ErrorData }[]
}

export interface RemoteVersion {
  storeId: string
  version: Version
}

export interface CallOptions {
  /** Aborting it ends the call with `INTERRUPTED`. */
  signal?: AbortSignal
  /**
   * What is known of the remote. `capabilities` and `commit` then fail with `HISTORY_LOST`, and do
   * nothing, when it is another store, or was put back to an earlier state.
   */
  since?: RemoteMark
  /** Called before a call is made again, with why it failed; by remotes that do so. */
  onRetry?: (error: ArtifactError) => void
}

/**
 * Another store, somewhere else. Every call may be repeated. Failures are coded errors:
 * `REMOTE_UNREACHABLE` and `REMOTE_FAILED` when the same call may succeed later,
 * `REMOTE_UNAUTHORIZED`, `REMOTE_INVALID` for answers that make no sense, and whatever code the
 * other side gave.
 */
export interface Remote {
  readonly url: string
  capabilities(options?: CallOptions): Promise<Capabilities>
  /**
   * Commits items of one collection in their order. The results are as many as the items.
   * Nothing behind an item that is not committed is committed; of such items not all may have been
   * looked at, and those are `waiting` without pieces.
   */
  commit(
    collection: CollectionName,
    items: CommitItem[],
    options?: CallOptions,
  ): Promise<CommitAnswer>
  /** Which of these the other side lacks, by index. At most 10,000 a call. */
  listMissing(entity: string, keys: BlobKey[], options?: CallOptions): Promise<number[]>
  /**
   * Sends one pack. What was verified is kept, even if the connection is cut. `records` is called
   * once an attempt and must give the same records every time; what it throws is thrown.
   */
  send(
    entity: string,
    records: () => AsyncIterable<WireItem>,
    options?: CallOptions,
  ): Promise<SendResult>
  /**
   * Receives records, at most 10,000 a call, in any order; what the other side lacks is absent.
   * Neither digests nor kinds are checked here: the receiver does.
   */
  fetch(entity: string, keys: BlobKey[], options?: CallOptions): AsyncIterable<StreamedItem>
  /** @throws `ARTIFACT_NOT_FOUND` or `VERSION_NOT_FOUND`. */
  findVersion(
    collection: CollectionName,
    selector: Selector,
    options?: CallOptions,
  ): Promise<RemoteVersion>
  listVersions(
    filter: VersionFilter,
    after?: string,
    options?: CallOptions,
  ): Promise<Page<VersionSummary>>
  /** Which of these versions of the entity were deleted, by their ids. At most `MAX_IDS` a call. */
  listDeleted(entity: string, ids: string[], options?: CallOptions): Promise<string[]>
  /**
   * Bytes that the other side could let go if these versions were deleted: what no other version
   * needs, as it is stored. At most `MAX_FREED_IDS` a call, which may take long.
   */
  measureFreed(entity: string, ids: string[], options?: CallOptions): Promise<number>
  /** As `Catalog.listEdges`, of versions of this entity. */
  listEdges(
    entity: string,
    queries: EdgeQuery[],
    after?: string,
    options?: CallOptions,
  ): Promise<Page<FoundEdge>>
}
