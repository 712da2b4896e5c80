import type { CollectionName, RunInfo, VersionState } from './version.js'

/** A version used by a run is its input, one that it logged its output. */
export type Role = 'input' | 'output'

/** Names a version, also one that is not here, or not any more. */
export interface VersionRef extends CollectionName {
  id: string
  type: string
}

/** A run used a version, or logged one. There is at most one for a run, a version and a role. */
export interface Edge {
  role: Role
  run: RunInfo
  version: VersionRef
}

/** An edge, and what the store that answers knows of the version now. */
export interface FoundEdge extends Edge {
  version: VersionRef & {
    /** Null when it has none, or is not in that store. */
    number: number | null
    /** Null when it is not in that store. */
    state: VersionState | 'deleted' | null
    /** The id of the same content on the remote, when that has it under another. */
    remoteId?: string
  }
}

/** Asks for the runs of one version, or for the versions of one run. */
export type EdgeQuery =
  | { role: Role; versionId: string }
  | { role: Role; run: Pick<RunInfo, 'id' | 'project'> }

/** Most queries in one call: a body of about 100 kB. */
export const MAX_EDGE_QUERIES = 1000
