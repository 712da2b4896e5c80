import { listPages } from '../catalog/list-pages.js'
import { isArtifactError } from '../errors.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import type { Digest } from '../model/digest.js'
import { formatVersionName } from '../model/reference-name.js'
import { loadPiece } from './load-piece.js'
import { checkAborted } from './progress.js'
import type { Store } from './store.js'

/** A version that needs some bytes, by its name `PROJECT/NAME:vN`. */
export interface BlobUse {
  version: string
  id: string
  /** The path of a file; of a piece, that it is one. */
  path: string
}

/** Uses that one error names. */
const NAMED_USES = 10

/**
 * Which versions and paths need these blobs and pieces, by {@link blobKeyString}. It reads every
 * manifest of the store, each piece once; what cannot be read of them is passed over.
 * @param limit how many uses of a key are listed at most.
 */
export async function findUses(
  store: Store,
  keys: Pick<BlobKey, 'kind' | 'digest'>[],
  { limit = NAMED_USES, signal }: { limit?: number; signal?: AbortSignal } = {},
): Promise<Map<string, BlobUse[]>> {
  const uses = new Map<string, BlobUse[]>(keys.map(key => [blobKeyString(key), []]))
  const wanted = new Set(keys.flatMap(({ kind, digest }) => (kind === 'blob' ? [digest] : [])))
  /** What each piece lists of what is wanted. */
  const listed = new Map<Digest, { name: string; path: string }[]>()
  const add = (name: string, use: BlobUse) => {
    const known = uses.get(name)
    if (known && known.length < limit) known.push(use)
  }
  for await (const versions of listPages(after => store.catalog.listVersions({}, after))) {
    for (const { id, ...names } of versions) {
      checkAborted(signal)
      const pieces = (await store.catalog.getVersion(id))?.pieces ?? []
      const version = formatVersionName({ id, ...names })
      for (const piece of pieces) {
        add(blobKeyString({ kind: 'piece', digest: piece.digest }), {
          version,
          id,
          path: 'a piece of its manifest',
        })
        if (wanted.size === 0) continue
        let found = listed.get(piece.digest)
        if (!found) {
          const entries = await loadPiece(store, piece).catch(error => {
            if (isArtifactError(error)) return []
            throw error
          })
          found = entries
            .filter(({ ref, digest }) => ref === undefined && wanted.has(digest as Digest))
            .map(({ path, digest }) => ({ name: `blob/${digest}`, path }))
          listed.set(piece.digest, found)
        }
        for (const { name, path } of found) add(name, { version, id, path })
      }
      for (const { digest } of await store.catalog.getExternal(id)) {
        add(`blob/${digest}`, { version, id, path: 'its list of files outside the store' })
      }
    }
  }
  return uses
}
