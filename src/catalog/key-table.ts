import type { Digest } from '../model/digest.js'
import { locationKey } from './keys.js'

/** Slots of a new table. A slot takes 12 bytes. */
const FIRST_SLOTS = 1024
const GOLDEN = 0x9e3779b1
/** No kinds of stored bytes: `KIND_BYTE` has others. */
const MARKER_KIND = 0xf1
const PACK_KIND = 0xf2

/**
 * A number for each of many keys of stored bytes, in 24 to 48 bytes a key however many there are. Keys
 * are told apart by their kind, their algorithm and the first eight bytes of their digest: that two
 * of a billion are taken for one has a chance of 3 %, and must do no harm.
 */
export class KeyTable {
  #mask = FIRST_SLOTS - 1
  /** Two words a slot. */
  #words = new Uint32Array(FIRST_SLOTS * 2)
  /** 0: the slot is free. */
  #values = new Uint32Array(FIRST_SLOTS)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** @param key as `locationKey` makes it. @returns 0 for a key that is not in the table. */
  get(key: Buffer): number {
    return this.#values[this.#find(highWord(key), key.readUInt32BE(7))]!
  }

  /** @param value from 1 to 2^32 − 1. */
  set(key: Buffer, value: number): void {
    const high = highWord(key)
    const low = key.readUInt32BE(7)
    const slot = this.#find(high, low)
    const isNew = this.#values[slot] === 0
    this.#put(slot, high, low, value)
    if (!isNew) return
    this.#count += 1
    if (this.#count * 2 > this.#values.length) this.#grow()
  }

  #put(slot: number, high: number, low: number, value: number): void {
    this.#words[slot * 2] = high
    this.#words[slot * 2 + 1] = low
    this.#values[slot] = value
  }

  /** The slot of a key, or the free one where it belongs. */
  #find(high: number, low: number): number {
    for (let slot = low & this.#mask; ; slot = (slot + 1) & this.#mask) {
      if (this.#values[slot] === 0) return slot
      if (this.#words[slot * 2] === high && this.#words[slot * 2 + 1] === low) return slot
    }
  }

  #grow(): void {
    const words = this.#words
    const values = this.#values
    const slots = values.length * 2
    this.#mask = slots - 1
    this.#words = new Uint32Array(slots * 2)
    this.#values = new Uint32Array(slots)
    for (const [slot, value] of values.entries()) {
      if (value === 0) continue
      const high = words[slot * 2]!
      const low = words[slot * 2 + 1]!
      this.#put(this.#find(high, low), high, low, value)
    }
  }
}

function highWord(key: Buffer): number {
  return (key.readUInt32BE(3) ^ Math.imul(key.readUInt16BE(1), GOLDEN)) >>> 0
}

/** Stands in a table for "what this piece lists was looked through". */
export function markerKey(piece: Digest): Buffer {
  const key = locationKey({ kind: 'piece', digest: piece })
  key[1] = MARKER_KIND
  return key
}

/** Stands in a table for a pack. */
export function packKey(packId: string): Buffer {
  const key = Buffer.alloc(11)
  key[1] = PACK_KIND
  key.write(packId, 3, 'hex')
  return key
}
