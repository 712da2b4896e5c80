import { MIN_CHUNK } from '../chunk/find-cut.js'
import type { Recipe } from '../chunk/recipe.js'
import { contentName } from '../model/content-name.js'
import { type Digest, isDigest } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { type KeyRef, type Location, MAX_BATCH } from './catalog.js'
import { KeyTable, markerKey } from './key-table.js'
import { locationKey } from './keys.js'

/** How what versions need is looked up. */
export interface ContentReader {
  /** At most `MAX_BATCH`. */
  locate(refs: KeyRef[]): Promise<(Location | null)[]>
  /** See `Catalog.findReferences`. */
  findReferences(names: string[]): Promise<({ digest: Digest } | null)[]>
  /** @throws when it cannot be read: then nobody knows what is needed. */
  readPiece(piece: Pick<Piece, 'digest' | 'size'>): Promise<Entry[]>
  /** Undefined for one that is damaged, whose blob is then not here. */
  readRecipe(ref: KeyRef, location: Location): Promise<Recipe | undefined>
}

/** A version as far as bytes are concerned. */
export interface NeededContent {
  pieces: Pick<Piece, 'digest' | 'size'>[]
  /** Lists of files outside the store. */
  external: Pick<Piece, 'digest'>[]
}

/**
 * Finds everything that versions need, down to the chunks of large blobs and what was fetched for
 * references, and gives each key a label: the join of the labels of all that need it. Each piece is
 * read once a label that is new to it.
 */
export class ContentMarker {
  readonly table = new KeyTable()
  readonly #reader: ContentReader
  readonly #join: (a: number, b: number) => number

  /**
   * @param join of two labels, from 1 to 2^32 − 1: associative, commutative, and of a label with
   *   itself that label.
   */
  constructor(reader: ContentReader, join: (a: number, b: number) => number) {
    this.#reader = reader
    this.#join = join
  }

  /** @param manifestLabel of the pieces themselves and the lists of external files. */
  async mark({ pieces, external }: NeededContent, label: number, manifestLabel = label) {
    for (const { digest } of external) this.#add({ kind: 'blob', digest }, manifestLabel)
    for (const piece of pieces) {
      this.#add({ kind: 'piece', digest: piece.digest }, manifestLabel)
      const marker = markerKey(piece.digest)
      if (!this.#isNew(marker, label)) continue
      await this.#markEntries(await this.#reader.readPiece(piece), label)
      // Not before: after a failure it is done again.
      this.#addKey(marker, label)
    }
  }

  /** For a version of which only the manifest is to stay. */
  markManifest({ pieces, external }: NeededContent, label: number): void {
    for (const { digest } of external) this.#add({ kind: 'blob', digest }, label)
    for (const { digest } of pieces) this.#add({ kind: 'piece', digest }, label)
  }

  async #markEntries(entries: Entry[], label: number): Promise<void> {
    const large: Digest[] = []
    const named: string[] = []
    for (const { digest, size, ref } of entries) {
      if (isDigest(digest)) {
        this.#add({ kind: 'blob', digest }, label)
        if (size > MIN_CHUNK && ref === undefined) large.push(digest)
      }
      if (ref !== undefined) named.push(contentName({ ref, digest }))
    }
    for (let start = 0; start < named.length; start += MAX_BATCH) {
      const found = await this.#reader.findReferences(named.slice(start, start + MAX_BATCH))
      for (const content of found) {
        if (content) this.#add({ kind: 'blob', digest: content.digest }, label)
      }
    }
    for (let start = 0; start < large.length; start += MAX_BATCH) {
      await this.#markChunks(large.slice(start, start + MAX_BATCH), label)
    }
  }

  /** Recipe and chunks are kept beside a whole blob too: the one may have to stand for the other. */
  async #markChunks(digests: Digest[], label: number): Promise<void> {
    const refs = digests.map((digest): KeyRef => ({ kind: 'recipe', digest }))
    const places = await this.#reader.locate(refs)
    for (const [index, ref] of refs.entries()) {
      const place = places[index]
      if (!place || !this.#isNew(locationKey(ref), label)) continue
      const recipe = await this.#reader.readRecipe(ref, place)
      for (let chunk = 0; recipe && chunk < recipe.count; chunk += 1) {
        this.#add(recipe.chunk(chunk), label)
      }
      this.#add(ref, label)
    }
  }

  #add(ref: KeyRef, label: number): void {
    this.#addKey(locationKey(ref), label)
  }

  #addKey(key: Buffer, label: number): void {
    const before = this.table.get(key)
    const after = before === 0 ? label : this.#join(before, label)
    if (after !== before) this.table.set(key, after)
  }

  #isNew(key: Buffer, label: number): boolean {
    const before = this.table.get(key)
    return before === 0 || this.#join(before, label) !== before
  }
}
