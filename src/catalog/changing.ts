import type { CollectionName, RunInfo } from '../model/version.js'
import type { Conflict, VersionChange } from '../model/version-change.js'
import type { LogAnswer, LogRequest, Page, VersionFilter } from './catalog.js'

/** An edit of one version, which may be one that only the remote has. */
export interface EditRequest extends CollectionName, Pick<LogRequest, 'target'> {
  /** As in a {@link LogRequest}. */
  logId: string
  versionId: string
  type: string
  change: VersionChange
}

/** Versions of one collection to delete. */
export interface DeleteRequest extends CollectionName, Pick<LogRequest, 'target'> {
  /** As in a {@link LogRequest}. */
  logId: string
  type: string
  /** At most {@link MAX_DELETIONS}. */
  versions: { id: string; number: number }[]
  /** Aliases other than `latest` go with their versions. */
  deleteAliases: boolean
}

/** A version that was deleted before it was sent; it has its number all the same. */
export interface SkipRequest extends CollectionName {
  logId: string
  versionId: string
  type: string
  /** The run that had logged it. */
  run?: RunInfo
}

/** What is left of a version that was deleted. */
export interface DeletedVersion extends CollectionName {
  id: string
  type: string
  /** `NO_NUMBER` for one that lost its provisional number to a version of the remote. */
  number: number
  /** Whether a remote gave the number. */
  settled: boolean
  /** ISO 8601. */
  at: string
  remoteId?: string
  /** The run that had logged it, if it was here. */
  run?: RunInfo
}

/** Most versions in one deletion. */
export const MAX_DELETIONS = 1000

/** A conflict that is kept until the same thing is changed again. */
export interface KeptConflict extends Conflict, CollectionName {
  /** When it was found (ISO 8601). */
  at: string
}

/** How versions are changed after they were logged. Part of the `Catalog`. */
export interface Changing {
  /**
   * Changes what describes a version: durable when it resolves. It is done whatever was changed
   * since the caller looked, but an alias that names another version now is not taken from that; the
   * answer tells such `conflicts`, and they are kept until the same thing is changed again. With a
   * `target` the version may be one that is not here.
   * @throws `VERSION_NOT_FOUND`; `ARTIFACT_NOT_LOGGED` for what has no number.
   */
  edit(request: EditRequest): Promise<LogAnswer>
  /**
   * Deletes versions: durable when it resolves. Their numbers are never given again; what they leave
   * behind is told by `findDeleted`. `latest` goes to the newest that is left. Those that are deleted
   * already are passed over. With a `target` they may be versions that are not here. Without one,
   * those that an alias holds stay, and the answer's `conflicts` tell them.
   * @throws `VERSION_HAS_ALIASES` with a `target`, and then nothing is deleted; `ARTIFACT_NOT_LOGGED`
   *   for what has no number; `VERSION_NOT_FOUND` for one of another collection.
   */
  delete(request: DeleteRequest): Promise<LogAnswer>
  /**
   * Gives the next number to a version that is deleted already, unless it is here.
   * @throws `TYPE_CONFLICT`.
   */
  skip(request: SkipRequest): Promise<LogAnswer>
  /**
   * Sends what is pending for the remote at the address `from` to the one at `to`: durable when it
   * resolves. What was logged without a remote is not meant.
   * @returns how many items.
   */
  redirect(request: { from: string; to: string }): Promise<number>
  /** What is left of versions that were deleted; null for all others. */
  findDeleted(ids: string[]): Promise<(DeletedVersion | null)[]>
  /** Conflicts that are kept, by entity, project and name. */
  listConflicts(
    filter: Pick<VersionFilter, 'entity' | 'project' | 'name'>,
    after?: string,
  ): Promise<Page<KeptConflict>>
  /** The remote's ids of versions that it has under other ones; null where it has not. */
  listRemoteIds(ids: string[]): Promise<(string | null)[]>
}

/** As `CATALOG_METHODS`. */
export const CHANGING_METHODS: Record<keyof Changing, 'reads' | 'writes'> = {
  edit: 'writes',
  delete: 'writes',
  skip: 'writes',
  redirect: 'writes',
  findDeleted: 'reads',
  listConflicts: 'reads',
  listRemoteIds: 'reads',
}
