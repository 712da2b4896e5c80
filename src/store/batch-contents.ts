import { type Catalog, MAX_BATCH } from '../catalog/catalog.js'
import type { BlobKind } from '../model/blob-key.js'
import {
  ALGORITHMS,
  type Algorithm,
  type Digest,
  digestBytes,
  digestFromBytes,
} from '../model/digest.js'
import type { Claims } from './claims.js'

/** The contents of one batch, by their digests. */
export interface BatchContents {
  kind: BlobKind
  /** One digest after another. */
  digests: Uint8Array
  /** There is none here: it could not be read. Default: all are there. */
  isAbsent?(index: number): boolean
  /** It stays outside the store. Default: none does. */
  isInPlace?(index: number): boolean
}

/** Digests one after another, zeros where there is none. */
export function joinDigests(
  algorithm: Algorithm,
  digests: (Digest | undefined)[],
): Uint8Array<ArrayBuffer> {
  const width = ALGORITHMS[algorithm].bytes
  const joined = new Uint8Array(digests.length * width)
  digests.forEach((digest, index) => {
    if (digest) joined.set(digestBytes(digest), index * width)
  })
  return joined
}

/** Which of them are claimed or in the catalog. */
export async function locateContents<Writer extends object>(
  { kind, digests, isAbsent }: BatchContents,
  {
    algorithm,
    catalog,
    claims,
  }: { algorithm: Algorithm; catalog: Catalog; claims: Claims<Writer> },
): Promise<Set<number>> {
  const width = ALGORITHMS[algorithm].bytes
  const known = new Set<number>()
  const asked: number[] = []
  for (let index = 0; index * width < digests.length; index += 1) {
    if (isAbsent?.(index)) continue
    // A claim may be gone when the answers come.
    if (claims.has(kind, digests, index * width)) known.add(index)
    else asked.push(index)
  }
  for (let start = 0; start < asked.length; start += MAX_BATCH) {
    const some = asked.slice(start, start + MAX_BATCH)
    const refs = some.map(index => {
      const bytes = digests.subarray(index * width, (index + 1) * width)
      return { kind, digest: digestFromBytes(algorithm, bytes) }
    })
    const locations = await catalog.locate(refs)
    for (const [at, index] of some.entries()) if (locations[at]) known.add(index)
  }
  return known
}

/**
 * Claims those that nobody has.
 * @param known those that need not be looked at, if any.
 * @returns for each whether it was claimed; what stays in place counts, and is not: it must not stand
 *   for a copy in the store.
 */
export function claimContents<Writer extends object>(
  { kind, digests, isAbsent, isInPlace }: BatchContents,
  {
    algorithm,
    claims,
    writer,
    known,
  }: {
    algorithm: Algorithm
    claims: Claims<Writer>
    writer: Writer
    known: Set<number> | undefined
  },
): boolean[] {
  const width = ALGORITHMS[algorithm].bytes
  return Array.from({ length: digests.length / width }, (_, index) => {
    if (isAbsent?.(index) || known?.has(index)) return false
    if (claims.has(kind, digests, index * width)) return false
    if (!isInPlace?.(index)) claims.add(writer, kind, digests, index * width)
    return true
  })
}
