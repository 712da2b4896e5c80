import { referenceNotFound } from './reference-error.js'
import type { FoundReference } from './reference-handler.js'

/** An object of a bucket, as a listing or a question about it tells. */
export interface BucketObject extends Pick<FoundReference, 'ref' | 'digest' | 'size' | 'extra'> {
  key: string
  /** A marker that stands for a folder, by what is known of it besides its key. */
  isFolder?: boolean
}

export interface BucketListing {
  uri: string
  key: string
  /** The object at exactly this key; undefined when there is none. */
  find(key: string): Promise<BucketObject | undefined>
  /** Every object whose key begins with this, in the order of keys, page by page. */
  listPrefix(prefix: string): AsyncIterable<BucketObject>
}

/**
 * The object at `key`, or everything below `key/`. Of a key that is both, the object; with a slash
 * at its end, what is below. Empty objects that mark a folder are left out.
 * @throws `REFERENCE_NOT_FOUND` when there is neither.
 */
export async function* listBucket(listing: BucketListing): AsyncGenerator<FoundReference> {
  const { uri, key, find, listPrefix } = listing
  const isPrefix = key === '' || key.endsWith('/')
  const object = isPrefix ? undefined : await find(key)
  if (object && !object.isFolder) {
    yield toFound(object, { path: key.slice(key.lastIndexOf('/') + 1), single: true })
    return
  }
  const prefix = isPrefix ? key : `${key}/`
  let last: string | undefined
  let found = 0
  for await (const object of listPrefix(prefix)) {
    // A key may come twice when the bucket changes while it is listed.
    if (object.key === last) continue
    last = object.key
    if (object.key.endsWith('/') && object.size === 0) continue
    found += 1
    yield toFound(object, { path: object.key.slice(prefix.length), single: false })
  }
  if (found === 0) throw referenceNotFound(uri, 'no such object, and none below it')
}

function toFound(
  { ref, digest, size, extra }: BucketObject,
  place: Pick<FoundReference, 'path' | 'single'>,
): FoundReference {
  return { ...place, ref, digest, size, ...(extra && { extra }) }
}

/** What is recorded of an object that is not asked about. */
export function unidentifiedObject(uri: string, key: string): FoundReference {
  return {
    path: key.slice(key.replace(/\/$/, '').lastIndexOf('/') + 1).replace(/\/$/, ''),
    single: true,
    ref: uri,
    digest: uri,
    size: 0,
    extra: { unverifiable: true, sizeUnknown: true },
  }
}
