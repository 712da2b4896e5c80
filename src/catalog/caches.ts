import type { Digest } from '../model/digest.js'

// What a catalog remembers, in no journal.

/** The content that was fetched for a reference, under a name that tells its recorded bytes. */
export interface ReferenceContent {
  name: string
  digest: Digest
  size: number
}

/** A chunk of an object, by the digest of its bytes. */
export interface ObjectChunk {
  digest: Digest
  /** Where it starts in the object. */
  offset: number
}

/** Where bytes of a chunk lie, as far as is remembered. */
export interface ChunkPlace {
  object: Digest
  offset: number
}

/** One folder in the stat cache: its real path, and its record in base64. */
export interface FolderCache {
  folder: string
  record: string
}
