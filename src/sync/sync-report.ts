import type { PendingItem } from '../catalog/catalog.js'
import type { ErrorData } from '../errors.js'
import type { CollectionName } from '../model/version.js'
import type { Conflict } from '../model/version-change.js'

/** Something that the remote has now. `kind` is as in {@link PendingItem}. */
export interface SyncedItem extends CollectionName {
  kind: PendingItem['kind']
  /** The version's id here. */
  id: string
  /** The version's id on the remote, when that had equal content under another. */
  remoteId?: string
  /** The number that the remote gave. */
  number: number
  /** The remote had equal content as the latest already, so that only aliases moved. */
  unchanged: boolean
  /** Of a version or a part: plain bytes that were sent for it, and that did not have to be. */
  bytesSent?: number
  bytesSkipped?: number
  retries?: number
  /** Of a deletion: how many versions the remote has no more. */
  deleted?: number
  /** Of an edit or a deletion: what it came upon there. */
  conflicts?: Conflict[]
}

/** Something that cannot be synced as it is; its collection waits behind it. */
export interface FailedItem extends CollectionName {
  kind: PendingItem['kind']
  id: string
  error: ErrorData
}

/** What one push did. Bytes are plain lengths. */
export interface SyncReport {
  synced: SyncedItem[]
  /** Failed now, or before and not tried again. */
  failed: FailedItem[]
  /** Uses of versions that the remote does not have: they stay here and are not sent again. */
  leftOut: number
  /** Items that stay pending: behind a failed one, without a remote, or because of `errors`. */
  pending: number
  /** Items that a remote had taken and lost, so that they were sent again. */
  resent: number
  /** Why a remote could not be synced now, once each: unreachable, unauthorized, and the like. */
  errors: ErrorData[]
  /** Blobs and pieces that the remote verified. */
  sentBytes: number
  sentBlobs: number
  /** Bytes of records as they travelled, where it pays compressed; those of a repetition too. */
  wireBytes: number
  /** Bytes of committed versions that did not have to travel. */
  skippedBytes: number
  /** Calls of the remote. */
  requests: number
}

/** A version on its way. The total grows while the remote is asked what it lacks. */
export interface VersionProgress {
  id: string
  /** `project/name:vN`, with the number it has here. */
  name: string
  /** What the version holds. */
  size: number
  /** What the remote is known to lack, in plain bytes, manifest included. */
  bytesTotal: number
  bytesSent: number
  /** What was looked for and was there already. */
  bytesSkipped: number
  /** Calls for it that failed and were made again. */
  retries: number
  /** Why the last of those failed; null when none did. */
  lastError: ErrorData | null
}

export type SyncEvent =
  /** A page of pending items was taken up. */
  | { type: 'start'; items: number }
  | ({ type: 'bytes' } & VersionProgress)
  | { type: 'synced'; item: SyncedItem }
  | { type: 'failed'; item: FailedItem }
  /** The remote lost some of what it took: so many items are pending again. */
  | { type: 'lost'; url: string; items: number }

export function createReport(): SyncReport {
  return {
    synced: [],
    failed: [],
    leftOut: 0,
    pending: 0,
    resent: 0,
    errors: [],
    sentBytes: 0,
    sentBlobs: 0,
    wireBytes: 0,
    skippedBytes: 0,
    requests: 0,
  }
}
