import type { ErrorData } from '../errors.js'

/** A value that is replaced whole, and the one that was there when its editor looked. */
export interface Replacement<T> {
  seen: T
  to: T
}

/** What an edit of a version changes; what is absent stays. */
export interface VersionChange {
  description?: Replacement<string | null>
  metadata?: Replacement<Record<string, unknown>>
  tags?: { add: string[]; remove: string[] }
  /** `seen` is the id of the version that the alias named, null if it named none. */
  aliases?: { add: { alias: string; seen: string | null }[]; remove: string[] }
}

/** What an edit or a deletion came upon that somebody else had done since. */
export interface Conflict {
  versionId: string
  /** What both changed; `version` when one deleted it, or may not. */
  field: 'description' | 'metadata' | 'alias' | 'version'
  /** Of the field `alias`. */
  alias?: string
  /** The value that was replaced; of an alias the version (`vN`) that it named, null for none. */
  found?: unknown
  /** Why it was not done, if it was not. */
  error?: ErrorData
}
