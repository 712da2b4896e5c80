import type { OnConflict } from '../model/commit.js'
import type { Algorithm } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import type { VersionContent } from '../model/version.js'
import type { LogAnswer, LogRequest } from './catalog.js'

/** What one run adds to an open version. The `version` is the part, with an id of its own. */
export interface UpsertRequest extends Omit<LogRequest, 'aliases'> {
  distributedId: string
}

/** The merged content of a closed open version. The id of the `version` is `openVersionId`. */
export interface FinishRequest extends LogRequest {
  distributedId: string
  onConflict: OnConflict
}

/** What is known of an open version here. */
export interface OpenVersion {
  /** See `openVersionId`. */
  id: string
  type: string
  algorithm: Algorithm
  /** How many there were. */
  parts: number
  /** No part is added any more. */
  closed: boolean
  /** The version that it became, once that has its number. */
  finished?: LogAnswer
}

export interface Part {
  version: VersionContent
  /** As in `LogRequest`. */
  external: Piece[]
}
