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
  for (const keys of cutRequests(absent)) {
    const loss = await fetchGroup(store, remote, keys, options)
    if (loss) throw loss
  }
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
  for (const keys of cutRequests(absent)) {
    const loss = await fetchGroup(store, remote, keys, options)
    first ??= loss
  }
  return first
}

/** @returns the error of the first key that the remote does not have or has wrong. */
async function fetchGroup(
  store: Store,
  remote: Remote,
  keys: BlobKey[],
  options: FetchOptions,
): Promise<ArtifactError | undefined> {
  const target = {
    receive: receiveRecords.bind(null, store),
    listAbsent: listAbsent.bind(null, store),
  } satisfies FetchTarget
  const isLarge = ({ kind, size }: BlobKey) => kind === 'blob' && size >= LARGE_BYTES
  const small = keys.filter(key => !isLarge(key))
  const large = keys.filter(isLarge)
  let loss: ArtifactError | undefined
  const attempt = async (work: Promise<void>) => {
    try {
      await work
    } catch (error) {
      if (!isLoss(error)) throw error
      loss ??= error
    }
  }
  if (small.length > 0) await attempt(fetchAll(target, remote, small, options))
  let whole: BlobKey[] = []
  const chunked = async () => {
    whole = await fetchLarge(store, remote, large, options)
  }
  if (large.length > 0) await attempt(chunked())
  if (whole.length > 0) await attempt(fetchAll(target, remote, whole, options))
  return loss
}
