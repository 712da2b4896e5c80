import type { Digest } from '../model/digest.js'
import { KeyTable } from './key-table.js'

/** Keys of one generation, after which another is begun: 24 to 48 MB. */
const GENERATION_KEYS = 1_000_000
/** Generations that are kept. When the last is full, everything counts as held while it lives. */
const MAX_GENERATIONS = 4

interface Generation {
  number: number
  keys: KeyTable
  pieces: Set<Digest>
  /** There was no room for more keys. */
  isFull: boolean
}

interface Hold {
  /** The generation in which it began. */
  since: number
  until: number
  /** It goes on from an earlier host: what it relies on is not known here. */
  all: boolean
}

/**
 * What somebody relies on who has not committed yet: what was found or added while holds were open,
 * as long as one of those that were open then still is. Holds are timed by this clock alone. It is
 * a courtesy: a commit whose content was removed all the same notices, see `Catalog.removeFiles`.
 */
export class ContentGuard {
  readonly #clock: () => Date
  readonly #holds = new Map<string, Hold>()
  #generations: Generation[] = []
  #next = 0

  constructor(clock: () => Date) {
    this.#clock = clock
  }

  /** See `Catalog.hold`. */
  hold(id: string, seconds: number, again = false): void {
    const now = this.#prune()
    if (seconds <= 0) {
      this.#holds.delete(id)
      this.#prune()
      return
    }
    if (this.#generations.length === 0) this.rotate()
    const known = this.#holds.get(id)
    const since = known?.since ?? this.#generations.at(-1)!.number
    const all = again || known?.all === true
    this.#holds.set(id, { since, until: now + seconds * 1000, all })
  }

  /** Notes keys, as `locationKey` or `packKey` makes them, before whoever holds is told of them. */
  note(keys: Buffer[]): void {
    const current = this.#current()
    if (!current || current.isFull) return
    if (current.keys.count < GENERATION_KEYS) for (const key of keys) current.keys.set(key, 1)
    else if (this.#generations.length === MAX_GENERATIONS) current.isFull = true
    else {
      this.rotate()
      this.note(keys)
    }
  }

  /** Notes pieces that somebody is told of as complete: all that they list is held. */
  notePieces(pieces: Digest[]): void {
    const current = this.#current()
    for (const piece of pieces) current?.pieces.add(piece)
  }

  /** What is noted from now on outlives only the holds that are open later. */
  rotate(): void {
    if (this.#generations.length === MAX_GENERATIONS) return
    if (this.#generations.at(-1)?.keys.count === 0) return
    const empty = { keys: new KeyTable(), pieces: new Set<Digest>(), isFull: false }
    this.#generations.push({ number: this.#next++, ...empty })
  }

  /** Tells of keys whether they are held now: it counts as long as nothing else was awaited. */
  lookNow(): (key: Buffer) => boolean {
    this.#prune()
    if (this.#generations.some(({ isFull }) => isFull)) return () => true
    if ([...this.#holds.values()].some(({ all }) => all)) return () => true
    return key => this.#generations.some(({ keys }) => keys.get(key) > 0)
  }

  /** See {@link notePieces}. */
  listPieces(): Digest[] {
    this.#prune()
    return this.#generations.flatMap(({ pieces }) => [...pieces])
  }

  /** Undefined while nobody holds anything. */
  #current(): Generation | undefined {
    if (this.#holds.size === 0) return undefined
    this.#prune()
    return this.#holds.size === 0 ? undefined : this.#generations.at(-1)
  }

  #prune(): number {
    const now = this.#clock().getTime()
    let oldest = this.#next
    for (const [id, { since, until }] of this.#holds) {
      if (until <= now) this.#holds.delete(id)
      else oldest = Math.min(oldest, since)
    }
    this.#generations = this.#generations.filter(({ number }) => number >= oldest)
    return now
  }
}
