import { existsSync } from 'node:fs'
import { type Location, MAX_BATCH } from '../catalog/catalog.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { parseDigest } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import { objectPath, packPath } from '../model/home.js'
import { isUnchanged } from './external-source.js'
import { loadPiece, pieceKey } from './load-piece.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import { checkAborted } from './progress.js'
import { isLoss } from './read-blob.js'
import { listChunks } from './read-chunks.js'
import type { Store } from './store.js'

/** Looks whether all that versions need is where the catalog says. Blobs are not hashed. */
export class LostFinder {
  readonly #lost = new Map<string, BlobKey>()
  /** Blobs of mutable adds that are not in the store, but in a file outside that is unchanged. */
  readonly outside: BlobKey[] = []
  readonly #store: Store
  /** Pieces and blobs that were looked at, by how they were added and their names. */
  readonly #seen = new Set<string>()
  readonly #packs = new Map<string, boolean>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Pieces that cannot be read, and blobs that have no place, or one whose file is not there. */
  get lost(): BlobKey[] {
    return [...this.#lost.values()]
  }

  /** @param id of a version. */
  async look(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const version = await this.#store.catalog.getVersion(id)
    const external = await this.#store.catalog.getExternal(id)
    const isMutable = external.length === 0
    await this.#lookFor(
      external.map(({ digest, size }) => ({ kind: 'blob', digest, size })),
      isMutable,
    )
    for (const piece of version?.pieces ?? []) {
      checkAborted(signal)
      if (this.#isNew(pieceKey(piece), isMutable)) await this.#lookInto(piece, isMutable)
    }
  }

  async #lookInto(piece: Piece, isMutable: boolean): Promise<void> {
    try {
      const entries = await loadPiece(this.#store, piece)
      const files = entries.filter(({ ref }) => ref === undefined)
      await this.#lookFor(
        files.map(({ digest, size }) => ({ kind: 'blob', digest: parseDigest(digest), size })),
        isMutable,
      )
    } catch (error) {
      if (!isLoss(error)) throw error
      this.#addLost(pieceKey(piece))
    }
  }

  async #lookFor(keys: BlobKey[], isMutable: boolean): Promise<void> {
    const fresh = keys.filter(key => this.#isNew(key, isMutable))
    for (let start = 0; start < fresh.length; start += MAX_BATCH) {
      const some = fresh.slice(start, start + MAX_BATCH)
      const places = await locateBlobs(this.#store, some)
      for (const [index, key] of some.entries()) {
        const place = places[index] ?? null
        if (!(await this.#isThere(key, place))) this.#addLost(key)
        else if (place?.in === 'external' && isMutable) this.outside.push(key)
      }
    }
  }

  #addLost(key: BlobKey): void {
    this.#lost.set(blobKeyString(key), key)
  }

  #isNew(key: BlobKey, isMutable: boolean): boolean {
    const name = `${isMutable} ${blobKeyString(key)}`
    if (this.#seen.has(name)) return false
    this.#seen.add(name)
    return true
  }

  async #isThere(key: BlobKey, place: BlobPlace | null): Promise<boolean> {
    if (!place) return false
    if (place.in === 'recipe') {
      const chunks = await listChunks(this.#store, key, place)
      return chunks?.every(({ key, location }) => this.#isStored(key, location)) ?? false
    }
    return place.in === 'external' ? isUnchanged(place) : this.#isStored(key, place)
  }

  #isStored(key: BlobKey, place: Location): boolean {
    if (place.in === 'object') return existsSync(objectPath(this.#store.home, key.digest))
    const { packId } = place
    const known = this.#packs.get(packId) ?? existsSync(packPath(this.#store.home, packId))
    this.#packs.set(packId, known)
    return known
  }
}
