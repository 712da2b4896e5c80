import type { Digest } from './digest.js'

/**
 * What stored bytes are: a file's content, a piece of a manifest, or the recipe of a large blob.
 * The kinds are apart: a file whose bytes equal a piece is not that piece.
 */
export type BlobKind = 'blob' | 'piece' | 'recipe'

/** Names stored bytes. A digest travels with the length of the plain bytes. */
export interface BlobKey {
  kind: BlobKind
  digest: Digest
  size: number
}

/** One string for a kind and a digest, for sets and maps. */
export function blobKeyString(key: { kind: BlobKind; digest: Digest }): string {
  return `${key.kind}/${key.digest}`
}
