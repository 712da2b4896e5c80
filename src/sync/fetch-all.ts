import { ArtifactError, type ErrorCode, type ErrorData, isArtifactError } from '../errors.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import type { StreamedItem } from '../pack/parse-pack-stream.js'
import type { Remote } from '../remote/remote.js'
import { cutRuns } from '../store/cut-runs.js'
import { checkAborted } from '../store/progress.js'
import { countBody } from './count-body.js'

/** The most keys that `Remote.fetch` takes. */
const KEYS_A_REQUEST = 10_000
/** A request asks for no more bytes, unless for one blob alone. */
const BYTES_A_REQUEST = 64 * 1024 * 1024
/** Requests in a row for the same keys that bring nothing, before the failure is told. */
const ATTEMPTS = 3
/** After these the same request may succeed: a cut connection shows as a cut pack. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'PACK_INVALID',
  'REMOTE_UNREACHABLE',
  'REMOTE_FAILED',
  'SERVER_FAILED',
])

export interface FetchOptions {
  entity: string
  signal?: AbortSignal
  /** What a message calls a key: its path, say. */
  nameOf: (key: BlobKey) => string
  /** Tells of plain bytes as they arrive, and (negative) of those that must come again. */
  onBytes: (bytes: number) => void
  /** Tells of bytes that need not come, because they are here already. */
  onSaved: (bytes: number) => void
}

/** Where fetched records go. */
export interface FetchTarget {
  /**
   * Takes records, each only if `accept` does not throw; what it throws rejects the record. What
   * was taken stays if the records end with an error.
   */
  receive(
    records: AsyncIterable<StreamedItem>,
    options: { signal?: AbortSignal; accept: (key: BlobKey) => void },
  ): Promise<{ rejected: { key: BlobKey; error: ErrorData }[] }>
  /** Those of the keys that are still wanted. */
  listAbsent(keys: BlobKey[]): Promise<BlobKey[]>
}

/**
 * Fetches these keys, again after a cut, until all are at the target. With `optional`, those that
 * the remote does not give are left out.
 */
export async function fetchAll(
  target: FetchTarget,
  remote: Remote,
  keys: BlobKey[],
  options: Omit<FetchOptions, 'onSaved'> & { optional?: boolean },
): Promise<void> {
  const rejected = new Map<string, ErrorData>()
  let absent = keys
  for (let attempt = 1; ; attempt += 1) {
    checkAborted(options.signal)
    const { failure, left } = await fetchOnce(target, remote, absent, { ...options, rejected })
    if (failure && !PASSING.has(failure.code)) throw failure
    const before = absent.length
    absent = await target.listAbsent(left)
    if (absent.length === 0 || (!failure && options.optional)) return
    if (!failure) throw absenceError(remote, absent, { ...options, rejected })
    if (absent.length < before) attempt = 0
    if (attempt === ATTEMPTS) throw asRemoteError(remote, failure)
  }
}

/**
 * One request. Answers the error that cut it, before which some may have come, and the keys of which
 * it is not known that they are at the target.
 */
async function fetchOnce(
  target: FetchTarget,
  remote: Remote,
  keys: BlobKey[],
  options: Omit<FetchOptions, 'onSaved'> & { rejected: Map<string, ErrorData> },
): Promise<{ failure?: ArtifactError | undefined; left: BlobKey[] }> {
  const { entity, signal, rejected, onBytes } = options
  const wanted = new Set(keys.map(blobKeyString))
  let unasked: ArtifactError | undefined
  const accept = (key: BlobKey) => {
    if (wanted.delete(blobKeyString(key))) return
    unasked ??= new ArtifactError(
      'REMOTE_INVALID',
      `the remote sent ${key.digest} without being asked`,
      {
        details: { url: remote.url, ...key },
      },
    )
    throw unasked
  }
  let counted = 0
  const count = (bytes: number) => {
    counted += bytes
    onBytes(bytes)
  }
  try {
    const records = countRecords(remote.fetch(entity, keys, { signal }), count)
    const received = await target.receive(records, { signal, accept })
    for (const { key, error } of received.rejected) {
      rejected.set(blobKeyString(key), error)
      wanted.add(blobKeyString(key))
    }
    const left = wanted.size === 0 ? [] : keys.filter(key => wanted.has(blobKeyString(key)))
    return { failure: unasked, left }
  } catch (error) {
    checkAborted(signal)
    if (!(error instanceof ArtifactError)) throw error
    onBytes(-counted)
    const left = await target.listAbsent(keys)
    const names = new Set(left.map(blobKeyString))
    for (const key of keys) if (!names.has(blobKeyString(key))) onBytes(key.size)
    return { failure: error, left }
  }
}

async function* countRecords(
  records: AsyncIterable<StreamedItem>,
  count: (bytes: number) => void,
): AsyncGenerator<StreamedItem> {
  for await (const item of records) {
    if ('body' in item && item.header.encoding === 0) {
      yield { header: item.header, body: countBody(item.body, count) }
      continue
    }
    yield item
    const headers = 'body' in item ? [item.header] : item.records.map(({ header }) => header)
    count(headers.reduce((sum, { plainLength }) => sum + plainLength, 0))
  }
}

function asRemoteError(remote: Remote, error: ArtifactError): ArtifactError {
  if (!isArtifactError(error, 'PACK_INVALID')) return error
  return new ArtifactError('REMOTE_INVALID', `the remote sent a broken pack: ${error.message}`, {
    cause: error,
    details: { url: remote.url },
  })
}

function absenceError(
  remote: Remote,
  [key]: BlobKey[],
  { nameOf, rejected }: Pick<FetchOptions, 'nameOf'> & { rejected: Map<string, ErrorData> },
): ArtifactError {
  const name = nameOf(key!)
  const reason = rejected.get(blobKeyString(key!))
  const details = { ...key, name, url: remote.url }
  if (!reason) {
    return new ArtifactError('BLOB_MISSING', `the remote does not have ${name}`, { details })
  }
  const cause = ArtifactError.from(reason)
  const code = cause.code === 'BLOB_DAMAGED' ? cause.code : 'REMOTE_INVALID'
  const message = `the remote sent ${name} damaged: ${cause.message}`
  return new ArtifactError(code, message, { cause, details })
}

/** Keys in the same order, as many together as one request may ask for. */
export function cutRequests(keys: BlobKey[]): Iterable<BlobKey[]> {
  const limits = {
    weigh: ({ size }: BlobKey) => size,
    most: BYTES_A_REQUEST,
    count: KEYS_A_REQUEST,
  }
  return cutRuns(keys, limits)
}
