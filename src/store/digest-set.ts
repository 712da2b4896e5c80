import { freeMemory } from '../hash/free-memory.js'

const FIRST_SLOTS = 256

/**
 * A set of digests of one width, as bytes: some 30 bytes for each of 16, where a set of strings takes
 * 100 and a dozen times as long. Digests are as good as random, so that their first four bytes serve
 * as their hash.
 */
export class DigestSet {
  readonly #width: number
  #rows: Uint8Array
  /** For each slot the number of its row, counted from 1, or 0. */
  #slots = new Uint32Array(FIRST_SLOTS)
  #size = 0

  /** @param width bytes of a digest, at least four. */
  constructor(width: number) {
    this.#width = width
    this.#rows = new Uint8Array((FIRST_SLOTS / 2) * width)
  }

  get size(): number {
    return this.#size
  }

  /** Whether it has the digest that starts at byte `at`. */
  has(bytes: Uint8Array, at: number): boolean {
    return this.#slots[this.#find(bytes, at)] !== 0
  }

  /** @returns false if it was there already. */
  add(bytes: Uint8Array, at: number): boolean {
    const slot = this.#find(bytes, at)
    if (this.#slots[slot] !== 0) return false
    const start = this.#size * this.#width
    for (let index = 0; index < this.#width; index += 1) {
      this.#rows[start + index] = bytes[at + index]!
    }
    this.#size += 1
    this.#slots[slot] = this.#size
    if (this.#size * 2 === this.#slots.length) this.#grow()
    return true
  }

  /** The slot that holds the digest, or the one where it belongs. */
  #find(bytes: Uint8Array, at: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hashAt(bytes, at) & mask; ; slot = (slot + 1) & mask) {
      const row = this.#slots[slot]!
      if (row === 0 || this.#isAt(row, bytes, at)) return slot
    }
  }

  #isAt(row: number, bytes: Uint8Array, at: number): boolean {
    const start = (row - 1) * this.#width
    for (let index = 0; index < this.#width; index += 1) {
      if (this.#rows[start + index] !== bytes[at + index]) return false
    }
    return true
  }

  #grow(): void {
    const rows = new Uint8Array(this.#rows.length * 2)
    rows.set(this.#rows)
    const slots = new Uint32Array(this.#slots.length * 2)
    freeMemory([this.#rows, this.#slots])
    this.#rows = rows
    this.#slots = slots
    const mask = this.#slots.length - 1
    for (let row = 1; row <= this.#size; row += 1) {
      let slot = hashAt(rows, (row - 1) * this.#width) & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = row
    }
  }
}

function hashAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  )
}
