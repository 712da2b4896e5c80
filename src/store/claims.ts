import type { BlobKind } from '../model/blob-key.js'
import { ALGORITHMS, type Algorithm } from '../model/digest.js'
import { DigestSet } from './digest-set.js'

/** Claims of one generation: with those of another they take 60 MB. */
const GENERATION_CLAIMS = 1_000_000

interface Generation<Writer> {
  sets: Record<BlobKind, DigestSet>
  count: number
  /** For each writer, how many of its claims may be in its open pack. */
  open: Map<Writer, number>
}

/**
 * Content that an ingest has written, so that it is written once. What the catalog does not know yet
 * is never forgotten; of the rest a generation or two are kept, for that is faster than to ask.
 */
export class Claims<Writer extends object> {
  readonly #width: number
  readonly #most: number
  /** Oldest first. */
  #generations: Generation<Writer>[] = []
  #forgot = false

  constructor(algorithm: Algorithm, { most = GENERATION_CLAIMS }: { most?: number } = {}) {
    this.#width = ALGORITHMS[algorithm].bytes
    this.#most = most
    this.#generations.push(this.#begin())
  }

  /** Whether there were claims that it does not have any more: their content is in the catalog. */
  get forgot(): boolean {
    return this.#forgot
  }

  /** Whether the digest that starts at byte `at` is claimed. */
  has(kind: BlobKind, digests: Uint8Array, at: number): boolean {
    return this.#generations.some(({ sets }) => sets[kind].has(digests, at))
  }

  add(writer: Writer, kind: BlobKind, digests: Uint8Array, at: number): void {
    let newest = this.#generations.at(-1)!
    if (newest.count === this.#most) newest = this.#rotate()
    if (!newest.sets[kind].add(digests, at)) return
    newest.count += 1
    newest.open.set(writer, (newest.open.get(writer) ?? 0) + 1)
  }

  /** How many claims of a writer are open: what `release` is to be given later. */
  count(writer: Writer): number {
    return this.#generations.reduce((sum, { open }) => sum + (open.get(writer) ?? 0), 0)
  }

  /** Tells that the bytes of a writer's oldest claims can be located now. */
  release(writer: Writer, count: number): void {
    let left = count
    for (const { open } of this.#generations) {
      const some = Math.min(left, open.get(writer) ?? 0)
      if (some > 0) open.set(writer, open.get(writer)! - some)
      left -= some
    }
  }

  /** Forgets what can be located, as far as whole generations can be: from now on it may go. */
  forget(): void {
    if (this.#generations.at(-1)!.count > 0) this.#rotate()
    this.#drop(0)
  }

  #rotate(): Generation<Writer> {
    const newest = this.#begin()
    this.#generations.push(newest)
    this.#drop(1)
    return newest
  }

  /** Drops the oldest generations of which nothing is open, but for the newest, and `spare` others. */
  #drop(spare: number): void {
    while (this.#generations.length > 1 + spare) {
      const { open, count } = this.#generations[0]!
      if ([...open.values()].some(claims => claims > 0)) return
      this.#generations.shift()
      if (count > 0) this.#forgot = true
    }
  }

  #begin(): Generation<Writer> {
    const set = () => new DigestSet(this.#width)
    return { sets: { blob: set(), piece: set(), recipe: set() }, count: 0, open: new Map() }
  }
}
