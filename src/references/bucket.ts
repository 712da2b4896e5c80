import type { Page } from '../catalog/catalog.js'
import { referenceChanged, referenceError, referenceNotFound } from './reference-error.js'
import type { FoundReference, ReferenceEntry } from './reference-handler.js'

export interface BucketLocation {
  bucket: string
  key: string
  /** S3: the version id. GCS: the generation. Without it, the latest. */
  version?: string
}

/** An object of a bucket, as a listing or a question about it tells. */
export interface BucketObject extends Pick<FoundReference, 'ref' | 'digest' | 'size' | 'extra'> {
  key: string
  /** A marker that stands for a folder, by what is known of it besides its key. */
  isFolder?: boolean
}

export interface BucketQuestion {
  /** What messages call it. */
  uri: string
  signal?: AbortSignal
}

/** What a cloud is asked about its objects. Failures are coded as those of a `ReferenceHandler`. */
export interface BucketClient {
  /** @throws `INVALID_URI`. */
  parse(uri: string): BucketLocation
  /** The object at exactly this key; undefined when there is none. */
  find(location: BucketLocation, question: BucketQuestion): Promise<BucketObject | undefined>
  /** Every object whose key begins with that of the location, in the order of keys, by pages. */
  listPrefix(location: BucketLocation, question: BucketQuestion): AsyncIterable<BucketObject[]>
}

/**
 * The object that a URI names, or everything below its key. Of a key that is both, the object; with
 * a slash at its end, what is below. Empty objects that mark a folder are left out.
 * @throws `REFERENCE_NOT_FOUND` when there is neither.
 */
export async function* listBucket(
  { parse, find, listPrefix }: BucketClient,
  uri: string,
  { checksum, signal }: { checksum: boolean; signal?: AbortSignal },
): AsyncGenerator<FoundReference> {
  const location = parse(uri)
  const { bucket, key } = location
  if (!checksum) {
    const extra = { unverifiable: true, sizeUnknown: true } as const
    yield { path: lastPart(key) || bucket, single: true, ref: uri, digest: uri, size: 0, extra }
    return
  }
  const question = { uri, signal }
  const isPrefix = key === '' || key.endsWith('/')
  const object = isPrefix ? undefined : await find(location, question)
  if (object && !object.isFolder) {
    yield toFound(object, { path: lastPart(key), single: true })
    return
  }
  if (location.version !== undefined) throw referenceNotFound(uri, 'no such version')
  const prefix = isPrefix ? key : `${key}/`
  let last: string | undefined
  let found = 0
  for await (const page of listPrefix({ bucket, key: prefix }, question)) {
    for (const object of page) {
      // A key may come twice when the bucket changes while it is listed.
      if (object.key === last) continue
      last = object.key
      if (object.key.endsWith('/') && object.size === 0) continue
      found += 1
      yield toFound(object, { path: object.key.slice(prefix.length), single: false })
    }
  }
  if (found === 0) throw referenceNotFound(uri, 'no such object, and none below it')
}

function toFound(
  { ref, digest, size, extra }: BucketObject,
  place: Pick<FoundReference, 'path' | 'single'>,
): FoundReference {
  return { ...place, ref, digest, size, ...(extra && { extra }) }
}

/** `a/b` and `a/b/` end in `b`. */
function lastPart(key: string): string {
  const whole = key.replace(/\/$/, '')
  return whole.slice(whole.lastIndexOf('/') + 1)
}

/**
 * One page of a listing, and where the next begins.
 * @throws `REFERENCE_FAILED` when there is more and the server does not say where, or says that it
 *   is where this page began: what is left would be lost, or the listing never end.
 */
export function toPage<T>(
  items: T[],
  { uri, after, next, more }: { uri: string; after?: string; next?: string; more: boolean },
): Page<T> {
  if (!more) return { items }
  if (next !== undefined && next !== after) return { items, next }
  throw referenceError(uri, undefined, 'its listing has more and does not say where it goes on')
}

/** The version or generation that an entry recorded. Entries come from anywhere. */
export function recordedVersion({ extra }: ReferenceEntry): string | undefined {
  const version: unknown = extra?.versionID
  return typeof version === 'string' ? version : undefined
}

/**
 * Where the recorded bytes are now: in their version or, when that is gone, in the latest if its
 * digest is theirs.
 * @throws `REFERENCE_NOT_FOUND`, `REFERENCE_CHANGED`.
 */
export async function locateRecorded(
  { parse, find }: BucketClient,
  entry: ReferenceEntry,
  signal: AbortSignal | undefined,
): Promise<BucketLocation> {
  const { ref, digest } = entry
  const question = { uri: ref, signal }
  const { version: pinned, ...location } = parse(ref)
  const version = pinned ?? recordedVersion(entry)
  let object = await find({ ...location, version }, question)
  if (!object && version !== undefined && pinned === undefined) {
    object = await find(location, question)
  }
  if (!object) throw referenceNotFound(ref, 'no such object')
  if (digest !== ref && object.digest !== digest) {
    throw referenceChanged(ref, `its digest is now ${object.digest}`)
  }
  return { ...location, version: object.extra?.versionID }
}

/**
 * Resolves when the recorded bytes are there; without a digest, when anything is.
 * @throws as `locateRecorded`.
 */
export async function checkBucket(
  client: BucketClient,
  entry: ReferenceEntry,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (entry.digest !== entry.ref) {
    await locateRecorded(client, entry, signal)
    return
  }
  for await (const _ of listBucket(client, entry.ref, { checksum: true, signal })) return
}
