import { inspect } from 'node:util'
import type { ExternalFile } from '../catalog/catalog.js'
import { ArtifactError } from '../errors.js'
import { normalizeArtifactPath } from '../model/artifact-path.js'
import { parseDigest } from '../model/digest.js'
import type { Entry } from '../model/entry.js'
import { MAX_OBJECTS, nameFound } from '../references/name-found.js'
import { openHandler } from '../references/open-handler.js'
import { parseReferenceUri } from '../references/parse-uri.js'
import { locateBlobs } from '../store/locate-blobs.js'
import { checkAborted, type WorkOptions } from '../store/progress.js'
import type { Store } from '../store/store.js'

export interface AddReferenceOptions extends WorkOptions {
  /**
   * Path in the artifact of what is referred to; of a prefix or folder, the path under which its
   * objects go. Default: the last part of the URI, and the top; of an entry, its own path.
   */
  name?: string
  /**
   * Default true. False asks nobody: one entry, which is downloaded as the object, or the objects
   * below a prefix, are then; local files by size and time.
   */
  checksum?: boolean
  /** The most objects that one URI may stand for. Default 10,000; `Infinity` for no limit. */
  maxObjects?: number
  /** Replace entries with other content. Default false: `ENTRY_CONFLICT`. */
  overwrite?: boolean
  /** @internal Refuse a second source for a path even if the content is the same. */
  exclusive?: boolean
}

export interface ExpandedReference {
  entry: Entry
  /** For messages. */
  source: string
  /** The file that holds the content of an entry, when it is not in the store. */
  external?: ExternalFile
}

/**
 * The entries to add for a URI, or for an entry of a version: a reference is copied, a file is
 * taken over by its digest.
 *
 * @throws `INVALID_URI`, `URI_HAS_CREDENTIALS`; `BLOB_MISSING` for a file whose bytes are not in
 *   this store; and as `nameFound` and `ReferenceHandler.list`.
 */
export async function* expandReference(
  store: Store,
  source: string | URL | Entry,
  options: AddReferenceOptions,
): AsyncGenerator<ExpandedReference, void, undefined> {
  const { name, signal, maxObjects = MAX_OBJECTS } = options
  if (typeof maxObjects !== 'number' || !(maxObjects >= 1)) {
    throw new TypeError(`maxObjects must be a number from 1, not ${inspect(maxObjects)}`)
  }
  checkAborted(signal)
  if (typeof source === 'object' && !(source instanceof URL)) {
    yield await takeEntry(store, source, name)
    return
  }
  const { uri } = parseReferenceUri(source)
  const handler = await openHandler(uri)
  const found = handler.list(uri, {
    checksum: options.checksum ?? true,
    hashFile: async file => {
      const { digest, stat } = await store.ingest().addFile(file, 'immutable')
      return { digest, size: stat.size }
    },
    signal,
  })
  for await (const entry of nameFound(uri, found, { name, maxObjects, signal })) {
    yield { entry, source: entry.ref }
  }
}

async function takeEntry(
  store: Store,
  entry: Entry,
  name: string | undefined,
): Promise<ExpandedReference> {
  const path = normalizeArtifactPath(name ?? entry.path)
  const { ref, size } = entry
  if (ref !== undefined) {
    parseReferenceUri(ref)
    return { entry: { ...entry, path }, source: ref }
  }
  const digest = parseDigest(entry.digest)
  const [place] = await locateBlobs(store, [{ kind: 'blob', digest, size }])
  const source = `the entry "${entry.path}"`
  if (!place) {
    const message = `the bytes of ${source} are not in the store ${store.home}`
    throw new ArtifactError('BLOB_MISSING', message, { details: { path: entry.path, digest } })
  }
  if (place.in !== 'external') return { entry: { ...entry, path }, source }
  const { file, mtimeNs, ctimeNs, ino } = place
  const external = { digest, file, size, mtimeNs, ctimeNs, ino }
  return { entry: { ...entry, path }, source, external }
}
