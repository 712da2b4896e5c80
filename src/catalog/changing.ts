import type { CollectionName } from '../model/version.js'
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
  listConflicts: 'reads',
  listRemoteIds: 'reads',
}
