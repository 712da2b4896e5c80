import type { ErrorData } from '../errors.js'
import type { Digest } from './digest.js'
import type { RunInfo, VersionContent } from './version.js'
import type { Conflict, VersionChange } from './version-change.js'

/** One step in the life of a collection, under the id of the log that asked for it. */
export type CommitItem =
  | { kind: 'version'; logId: string; version: VersionContent; aliases: string[] }
  /** With a `run`, that logged what the version has. */
  | { kind: 'alias'; logId: string; versionId: string; aliases: string[]; run?: RunInfo }
  | { kind: 'use'; logId: string; versionId: string; run: RunInfo }
  /** Those that an alias other than `latest` names stay, unless `deleteAliases`. */
  | { kind: 'delete'; logId: string; ids: string[]; deleteAliases: boolean }
  /** Gives its number to a version that was deleted before it was sent. */
  | { kind: 'skip'; logId: string; versionId: string; type: string; run?: RunInfo }
  | { kind: 'edit'; logId: string; versionId: string; change: VersionChange }
  /** Adds a part, with an id of its own, to the open version of this distributed id. */
  | { kind: 'upsert'; logId: string; distributedId: string; version: VersionContent }
  /** Closes an open version and merges its parts. */
  | {
      kind: 'finish'
      logId: string
      distributedId: string
      aliases: string[]
      onConflict: OnConflict
    }

/** Where two parts have different content at one path: an error, or the later part decides. */
export type OnConflict = 'error' | 'last'

export type CommitResult =
  /**
   * Done, now or before. `id` differs from the one sent when equal content was `latest`. The
   * `number` of an `upsert` says how many parts were there before it. Of an edit or a deletion,
   * `conflicts` tell what it came upon.
   */
  | {
      status: 'committed'
      id: string
      number: number
      unchanged: boolean
      conflicts?: Conflict[]
    }
  /** Pieces that are not here, or that list blobs that are not here. */
  | { status: 'incomplete'; pieces: Digest[] }
  /** An item before this one is not committed. Such pieces are told as far as was looked. */
  | { status: 'waiting'; pieces: Digest[] }
  /** It will not be taken as it is. */
  | { status: 'refused'; error: ErrorData }
