import type { Digest } from './digest.js'

/**
 * One path of an artifact. A file has a `digest` of its plain content and its `size` in bytes; a
 * reference has a `ref` URI, and its digest is whatever identifies the bytes there (an ETag, say).
 * Keys that this version does not know are kept as they are.
 */
export interface Entry {
  path: string
  digest: Digest | string
  size: number
  ref?: string
  [key: string]: unknown
}

/** A run of entries in path order, stored once under the digest of its canonical bytes. */
export interface Piece {
  digest: Digest
  /** Length of the canonical bytes. */
  size: number
  /** Number of entries. */
  count: number
}
