import { ArtifactError, isArtifactError } from '../errors.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { isUnchanged } from './external-source.js'
import { findUses } from './find-uses.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import { quarantineKeys } from './quarantine.js'
import type { Store } from './store.js'

export interface Recovered {
  /** Those that cannot be had any more. */
  lost: BlobKey[]
  /** Why they could not be brought in again, where something failed. */
  reason?: ArtifactError
}

/**
 * Makes blobs that could not be read readable again, as far as that is possible: what is damaged is
 * moved aside, and what is then not here is brought in by the store's healer. A file outside the
 * store counts as long as it is unchanged.
 * @throws `STORE_FAILED` when bytes here cannot be read at all; `INTERRUPTED`.
 */
export async function recoverBlobs(
  store: Store,
  keys: BlobKey[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Recovered> {
  await quarantineKeys(store, keys)
  const absent = await listUnreadable(store, keys)
  if (absent.length === 0 || !store.healer) return { lost: absent }
  let reason: ArtifactError | undefined
  try {
    await store.healer(absent, { signal })
  } catch (error) {
    if (!isArtifactError(error) || error.code === 'INTERRUPTED') throw error
    reason = error
  }
  const lost = await listUnreadable(store, absent)
  return { lost, ...(reason && { reason }) }
}

async function listUnreadable(store: Store, keys: BlobKey[]): Promise<BlobKey[]> {
  const places = await locateBlobs(store, keys)
  return keys.filter((_, index) => !isReadable(places[index]))
}

function isReadable(place: BlobPlace | null | undefined): boolean {
  if (!place) return false
  return place.in !== 'external' || isUnchanged(place)
}

/**
 * As `recoverBlobs`, for a reader that cannot go on without them.
 * @param failures with the error that each reading ended with.
 * @throws the error of the first that is lost, which then also says why and, in `neededBy`, which
 *   versions and paths need it.
 */
export async function recoverOrThrow(
  store: Store,
  failures: { key: BlobKey; error: ArtifactError }[],
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const keys = failures.map(({ key }) => key)
  const { lost, reason } = await recoverBlobs(store, keys, options)
  if (lost.length === 0) return
  const name = blobKeyString(lost[0]!)
  const { error } = failures.find(({ key }) => blobKeyString(key) === name)!
  throw await describeLoss(store, lost[0]!, { error, reason, ...options })
}

/** An error of a reader, with why the blob could not be had again and what needs it. */
export async function describeLoss(
  store: Store,
  key: BlobKey,
  {
    error,
    reason,
    signal,
  }: { error: ArtifactError; reason?: ArtifactError | undefined; signal?: AbortSignal },
): Promise<ArtifactError> {
  const uses = await findUses(store, [key], { signal })
  const neededBy = uses.get(blobKeyString(key)) ?? []
  const needed = neededBy.map(({ version, path }) => `${version} (${path})`).join(', ')
  const why = reason ? `; it cannot be fetched: ${reason.message}` : ''
  const message = `${error.message}${why}${needed ? `; needed by ${needed}` : ''}`
  const details = { ...error.details, ...key, neededBy }
  return new ArtifactError(error.code, message, { cause: error, details })
}
