import { MAX_BATCH } from '../catalog/catalog.js'
import { ArtifactError } from '../errors.js'
import { type Hasher, withHasher } from '../hash/hasher.js'
import { manifestDigestHeader, manifestDigestLine } from '../model/artifact-digest.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Algorithm, algorithmOf, type Digest, hexOf } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { checkPieceOrder } from '../model/piece.js'
import type { Manifest } from '../model/version.js'
import { pieceKey } from './load-piece.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import { findPiece } from './manifest.js'
import { quarantineKeys } from './quarantine.js'
import { listChunks, type RecipePlace } from './read-chunks.js'
import type { Store } from './store.js'

export interface CheckedManifest {
  /** Pieces that are not here or list a blob that is not; empty when the version can be kept. */
  lacking: Digest[]
  /** Where the pieces lie, and the blobs of those that did not vouch for theirs before. */
  packs: string[]
  objects: BlobKey[]
}

interface CheckOptions {
  lackingOnly?: boolean
  piecesOnly?: boolean
}

/**
 * Finds out what a store lacks of manifests that came from outside. One checker serves one request:
 * it remembers which pieces it looked through.
 */
export class ManifestChecker {
  readonly #store: Store
  /** Whether the blobs of a piece were all found. */
  readonly #known = new Map<Digest, boolean>()

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Looks through the pieces that do not vouch for their blobs. If none is lacking, all are read,
   * each once, and must make up the manifest; `lackingOnly` leaves that out. With `piecesOnly` every
   * piece counts as one that vouches.
   *
   * @throws `REQUEST_INVALID` when digest, size, number of files or of a piece's entries is not
   *   what the pieces say, or a file has a digest of another algorithm; `PIECE_INVALID` for pieces
   *   out of order.
   */
  check(manifest: Manifest, options: CheckOptions = {}): Promise<CheckedManifest> {
    return withHasher(manifest.algorithm, hasher => this.#check(manifest, options, hasher))
  }

  async #check(
    manifest: Manifest,
    { lackingOnly = false, piecesOnly = false }: CheckOptions,
    hasher: Hasher,
  ): Promise<CheckedManifest> {
    const { pieces, algorithm } = manifest
    const places = await locateBlobs(this.#store, pieces.map(pieceKey), { external: false })
    if (piecesOnly) for (const { digest } of pieces) this.#known.set(digest, true)
    await this.#learnComplete(pieces)
    const absent = pieces.filter(({ digest }, i) => !places[i] || this.#known.get(digest) === false)
    const whole = absent.length === 0 && !lackingOnly
    const blobs = new BlobFinder(this.#store, algorithm)
    const totals = new Totals(hasher)
    for (const [index, piece] of pieces.entries()) {
      const unknown = this.#known.get(piece.digest) === undefined
      const place = places[index]
      if (!place || !(whole || unknown)) continue
      const entries = await findPiece(this.#store, piece, place)
      if (!entries) {
        // It turned out damaged and is here no more.
        places[index] = null
        continue
      }
      if (whole) totals.add(piece, entries)
      if (unknown) await blobs.add(piece.digest, entries)
    }
    await blobs.flush()
    for (const digest of blobs.seen) this.#known.set(digest, !blobs.lacking.has(digest))
    if (whole && places.every(Boolean)) totals.compare(manifest)
    const lacking = pieces.filter(({ digest }, i) => !places[i] || !this.#known.get(digest))
    pieces.forEach((piece, i) => {
      if (places[i]) blobs.note(pieceKey(piece), places[i])
    })
    return {
      lacking: [...new Set(lacking.map(({ digest }) => digest))],
      packs: [...blobs.packs],
      objects: [...blobs.objects.values()],
    }
  }

  async #learnComplete(pieces: Piece[]): Promise<void> {
    const asked = pieces.map(({ digest }) => digest).filter(digest => !this.#known.has(digest))
    for (let start = 0; start < asked.length; start += MAX_BATCH) {
      const some = asked.slice(start, start + MAX_BATCH)
      const complete = await this.#store.catalog.listComplete(some)
      some.forEach((digest, index) => {
        if (complete[index]) this.#known.set(digest, true)
      })
    }
  }
}

/** Looks for the blobs of entries, many at a time. */
class BlobFinder {
  readonly seen = new Set<Digest>()
  readonly lacking = new Set<Digest>()
  readonly packs = new Set<string>()
  readonly objects = new Map<Digest, BlobKey>()
  readonly #store: Store
  readonly #algorithm: Algorithm
  #asked: { key: BlobKey; piece: Digest }[] = []

  constructor(store: Store, algorithm: Algorithm) {
    this.#store = store
    this.#algorithm = algorithm
  }

  async add(piece: Digest, entries: Entry[]): Promise<void> {
    this.seen.add(piece)
    for (const { path, digest, size, ref } of entries) {
      // What a reference leads to is not kept here.
      if (ref !== undefined) continue
      const key: BlobKey = { kind: 'blob', digest: digest as Digest, size }
      if (algorithmOf(key.digest) !== this.#algorithm) {
        const message = `the file "${path}" has the digest ${digest}, not one of ${this.#algorithm}`
        throw new ArtifactError('REQUEST_INVALID', message, { details: { path, digest } })
      }
      this.#asked.push({ key, piece })
    }
    if (this.#asked.length >= MAX_BATCH) await this.flush()
  }

  async flush(): Promise<void> {
    const asked = this.#asked
    this.#asked = []
    const keys = asked.map(({ key }) => key)
    const places = await locateBlobs(this.#store, keys, { external: false })
    for (const [index, { key, piece }] of asked.entries()) {
      const place = places[index]
      if (place?.in === 'recipe') await this.#noteChunks(piece, key, place)
      else if (place) this.note(key, place)
      else this.lacking.add(piece)
    }
  }

  /** A blob in chunks is here only if all of them are; else its recipe is no good any more. */
  async #noteChunks(piece: Digest, key: BlobKey, place: RecipePlace): Promise<void> {
    const chunks = await listChunks(this.#store, key, place)
    if (chunks) {
      this.packs.add(place.packId)
      for (const chunk of chunks) this.note(chunk.key, chunk.location)
    } else {
      await quarantineKeys(this.#store, [key])
      this.lacking.add(piece)
    }
  }

  note(key: BlobKey, place: BlobPlace): void {
    if (place.in === 'pack') this.packs.add(place.packId)
    else if (place.in === 'object') this.objects.set(key.digest, key)
  }
}

/** What pieces add up to. */
class Totals {
  readonly #hasher: Hasher
  #size = 0
  #fileCount = 0
  #lastPath: string | undefined

  constructor(hasher: Hasher) {
    this.#hasher = hasher
    hasher.update(manifestDigestHeader)
  }

  add(piece: Piece, entries: Entry[]): void {
    if (entries.length !== piece.count) {
      throw differs(`entries of piece ${piece.digest}`, piece.count, entries.length)
    }
    checkPieceOrder(this.#lastPath, entries[0]!.path)
    this.#lastPath = entries.at(-1)!.path
    this.#hasher.update(Buffer.from(entries.map(manifestDigestLine).join(''), 'utf8'))
    for (const { size } of entries) this.#size += size
    this.#fileCount += entries.length
  }

  compare({ digest, size, fileCount }: Manifest): void {
    const actual = hexOf(this.#hasher.digest())
    if (digest !== actual) throw differs('digest', digest, actual)
    if (size !== this.#size) throw differs('size', size, this.#size)
    if (fileCount !== this.#fileCount) throw differs('number of files', fileCount, this.#fileCount)
  }
}

function differs(what: string, claimed: unknown, actual: unknown): ArtifactError {
  const message = `the ${what} is ${actual} by the pieces of the version, not ${claimed}`
  return new ArtifactError('REQUEST_INVALID', message, { details: { what, claimed, actual } })
}
