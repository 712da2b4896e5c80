import type { Algorithm } from './digest.js'
import type { Piece } from './entry.js'

/** The work that logged a version. */
export interface RunInfo {
  id: string
  project: string
  name?: string
  jobType?: string
  group?: string
}

/** Names a collection. `entity` "default" stands for the default entity of the remote. */
export interface CollectionName {
  entity: string
  project: string
  name: string
}

/**
 * A manifest and what describes it, before or after it has a number. The `id` is permanent and
 * random (32 hex digits); `digest` is the artifact digest as W&B computes it (hex), taken with
 * `algorithm`; `size` adds up the sizes of all entries.
 */
export interface Manifest {
  algorithm: Algorithm
  digest: string
  size: number
  fileCount: number
  pieces: Piece[]
}

export interface VersionContent extends CollectionName, Manifest {
  id: string
  type: string
  description: string | null
  metadata: Record<string, unknown>
  tags: string[]
  run: RunInfo | null
  /** ISO 8601, UTC, given by the process that logged it. */
  createdAt: string
}

/**
 * `pending`: logged here, not yet on the remote; `failed`: the remote refused it, see its error;
 * `synced`: the remote has it; `open`: a part of a version that several runs add to; `closing`:
 * such a version as far as it is here, until the remote merged what all machines sent.
 */
export type VersionState = 'pending' | 'failed' | 'synced' | 'open' | 'closing'

/** The number of what has none: parts of an open version, and a version that is closing. */
export const NO_NUMBER = -1

/**
 * What of a version's bytes need not be in this store, and is fetched when it is used: all of them, or
 * `base`, those that it took over from a base that was not whole here.
 */
export type Eviction = true | 'base'

/** A committed version as a catalog answers it. `aliases` holds `latest` but not `vN`. */
export interface Version extends VersionContent {
  number: number
  aliases: string[]
  state: VersionState
  evicted?: Eviction
}
