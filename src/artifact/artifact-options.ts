import type { Policy } from '../store/file-ingester.js'
import type { Ingest } from '../store/ingest.js'
import type { WorkOptions } from '../store/progress.js'
import type { EntryTable } from './entry-table.js'
import type { LogOptions } from './log-artifact.js'

export interface ArtifactOptions {
  /** Letters, digits, `_`, `-`, `.`; at most 128. With its project it has exactly one type. */
  name: string
  /** What kind of thing it is: `dataset`, `model`, … */
  type: string
  description?: string
  /** JSON; at most 100 keys at the top. */
  metadata?: Record<string, unknown>
  /**
   * Merge it onto what is the latest version of the name when it is logged: it keeps what that has
   * and this does not remove, and what is added takes the path of what was there. Default false.
   */
  incremental?: boolean
  /** The store to build in. Default: `ARTIFACT_HOME`, else the platform's data folder. */
  home?: string
}

export interface AddOptions extends WorkOptions {
  /**
   * `mutable` (default) copies the bytes into the store; `immutable` leaves the file where it is,
   * where it must stay unchanged until it is synced.
   */
  policy?: Policy
  /** @internal Refuse a second source for a path even if the content is the same. */
  exclusive?: boolean
}

export interface AddFileOptions extends AddOptions {
  /** Path in the artifact. Default: the base name. */
  name?: string
  /** Replace an entry with other content. Default false: `ENTRY_CONFLICT`. */
  overwrite?: boolean
}

export interface AddDirOptions extends AddOptions {
  /** Path in the artifact under which the folder's content goes. Default: the top. */
  name?: string
  /** Replace entries with other content; nothing is removed. Default false. */
  merge?: boolean
  /**
   * gitignore rules, case-sensitive, after those of a file `.artifactignore` in the folder, if it has
   * one: of two that speak of one file, the later counts.
   */
  ignore?: string[]
  /** `follow` (default) stores what links lead to; `refuse` makes a link an error that names it. */
  symlinks?: 'follow' | 'refuse'
}

export interface NewFileOptions extends WorkOptions {
  /** Replace an entry with other content. Default false: `ENTRY_CONFLICT`. */
  overwrite?: boolean
}

export interface SaveOptions extends LogOptions {
  /** Default: `ARTIFACT_PROJECT`, config.json, "uncategorized". */
  project?: string
  /** Aborting it rejects with `INTERRUPTED`; what is being logged goes on. */
  signal?: AbortSignal
}

/** How much of what was added the store had before. */
export interface DedupTotals {
  files: number
  bytes: number
  newBytes: number
}

/** What is to be logged of an artifact. */
export interface ArtifactContent {
  /** Holds bytes that are not durable before it is finished. */
  ingest: Ingest
  /** What was added and removed. */
  table: EntryTable
  /** See `LogRequest.epoch`. */
  epoch: string
}
