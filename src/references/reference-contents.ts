import { MAX_BATCH } from '../catalog/catalog.js'
import type { BlobKey } from '../model/blob-key.js'
import { contentName } from '../model/content-name.js'
import { isDigest } from '../model/digest.js'
import type { Entry } from '../model/entry.js'
import { locateBlobs } from '../store/locate-blobs.js'
import type { Store } from '../store/store.js'
import type { ReferenceEntry } from './reference-handler.js'

export function isReference(entry: Entry): entry is ReferenceEntry {
  return entry.ref !== undefined
}

/** Nothing identifies the bytes of such a reference: it is fetched each time. */
export function isUnverifiable({ digest, ref, extra }: ReferenceEntry): boolean {
  return digest === ref || extra?.unverifiable === true
}

/**
 * Which bytes of a store are those that references recorded: a store remembers, for each URI and
 * recorded digest, the digest of the content that was fetched. What nothing identifies is known to
 * the one instance that fetched it.
 */
export class ReferenceContents {
  readonly #store: Store
  readonly #unverifiable = new Map<string, BlobKey>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Null where it was never fetched, or its bytes are not here any more. */
  async find(entries: ReferenceEntry[]): Promise<(BlobKey | null)[]> {
    const keys: (BlobKey | null)[] = entries.map(entry => {
      if (isUnverifiable(entry)) return this.#unverifiable.get(contentName(entry)) ?? null
      const { digest, size } = entry
      return isDigest(digest) ? { kind: 'blob', digest, size } : null
    })
    await this.#keepLocated(keys)
    const asked = entries.flatMap((entry, index) =>
      keys[index] || isUnverifiable(entry) ? [] : [index],
    )
    const found: (BlobKey | null)[] = []
    for (let start = 0; start < asked.length; start += MAX_BATCH) {
      const some = asked.slice(start, start + MAX_BATCH)
      const rows = await this.#store.catalog.findReferences(
        some.map(at => contentName(entries[at]!)),
      )
      for (const row of rows) found.push(row && { kind: 'blob', ...row })
    }
    await this.#keepLocated(found)
    asked.forEach((at, index) => {
      keys[at] = found[index] ?? null
    })
    return keys
  }

  /** The bytes must be in the store and locatable. */
  async remember(fetched: { entry: ReferenceEntry; key: BlobKey }[]): Promise<void> {
    const rows = []
    for (const { entry, key } of fetched) {
      const name = contentName(entry)
      if (isUnverifiable(entry)) this.#unverifiable.set(name, key)
      else rows.push({ name, digest: key.digest, size: key.size })
    }
    for (let start = 0; start < rows.length; start += MAX_BATCH) {
      await this.#store.catalog.rememberReferences(rows.slice(start, start + MAX_BATCH))
    }
  }

  /** Takes those out whose bytes are not here. */
  async #keepLocated(keys: (BlobKey | null)[]): Promise<void> {
    const indexes = keys.flatMap((key, index) => (key ? [index] : []))
    const places = await locateBlobs(
      this.#store,
      indexes.map(index => keys[index]!),
    )
    indexes.forEach((at, index) => {
      if (!places[index]) keys[at] = null
    })
  }
}
