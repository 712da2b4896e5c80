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

/** A record of the stat cache in base64: of a folder, by its real path, or of a file added by itself. */
export interface FolderCache {
  folder: string
  record: string
}
