import type { ArtifactError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Remote } from '../remote/remote.js'
import { LARGE_BYTES } from '../store/file-ingester.js'
import { locateBlobs } from '../store/locate-blobs.js'
import { isLoss } from '../store/read-blob.js'
import { receiveRecords } from '../store/receive-records.js'
import type { Store } from '../store/store.js'
import { cutRequests, type FetchOptions, type FetchTarget, fetchAll } from './fetch-all.js'
import { fetchLarge } from './fetch-large.js'

/** Those of the keys whose bytes are not in the store; files outside of it do not count. */
export async function listAbsent(store: Store, keys: BlobKey[]): Promise<BlobKey[]> {
  const places = await locateBlobs(store, keys, { external: false })
  return keys.filter((_, index) => places[index] === null)
}

/**
 * Brings bytes from a remote into the store, verified. When it resolves, all are there.
 *
 * @param absent distinct keys, as {@link listAbsent} answers them.
 * @throws `BLOB_DAMAGED` for bytes that the remote has wrong, `BLOB_MISSING` for those it does not
 *   have, both naming the first such key; `REMOTE_INVALID` for what was not asked for or is not a
 *   pack, and as `Remote`. What was verified before stays.
 */
export async function fetchBlobs(
  store: Store,
  remote: Remote,
  absent: BlobKey[],
  options: FetchOptions,
): Promise<void> {
  const target = {
    receive: receiveRecords.bind(null, store),
    listAbsent: listAbsent.bind(null, store),
  } satisfies FetchTarget
  const small = absent.filter(key => !isLarge(key))
  for (const keys of cutRequests(small)) await fetchAll(target, remote, keys, options)
  const large = await fetchLarge(store, remote, absent.filter(isLarge), options)
  for (const keys of cutRequests(large)) await fetchAll(target, remote, keys, options)
}

/**
 * As `fetchBlobs`, but goes on after a key that the remote does not have or has wrong.
 * @returns the error of the first such key, if there was one.
 */
export async function fetchAvailable(
  store: Store,
  remote: Remote,
  absent: BlobKey[],
  options: FetchOptions,
): Promise<ArtifactError | undefined> {
  let first: ArtifactError | undefined
  const small = absent.filter(key => !isLarge(key))
  const large = absent.filter(isLarge).map(key => [key])
  for (const keys of [...cutRequests(small), ...large]) {
    try {
      await fetchBlobs(store, remote, keys, options)
    } catch (error) {
      if (!isLoss(error)) throw error
      first ??= error
    }
  }
  return first
}

function isLarge({ kind, size }: BlobKey): boolean {
  return kind === 'blob' && size >= LARGE_BYTES
}
