import type { Held } from './file-ingester.js'

/**
 * The files of one batch of a folder tree: small ones lie one after another in one buffer, in the
 * order of the batch; whatever is held elsewhere is kept by its place in the batch.
 */
export class TreeBatch {
  readonly arena: Buffer
  /** One digest after another. */
  readonly digests: Uint8Array
  readonly #width: number
  /** Where in the arena each file ends; it starts where the one before it ends. */
  readonly #ends: Uint32Array
  readonly #others = new Map<number, Held>()
  #used = 0
  #count = 0

  constructor(arena: Buffer, { files, width }: { files: number; width: number }) {
    this.arena = arena
    this.digests = new Uint8Array(files * width)
    this.#width = width
    this.#ends = new Uint32Array(files)
  }

  /** Room for `length` bytes more, if there is; it is free again unless `add` takes it. */
  room(length: number): Buffer | undefined {
    const end = this.#used + length
    return end <= this.arena.length ? this.arena.subarray(this.#used, end) : undefined
  }

  /** The next file: its bytes are the first `length` in the room. */
  add(length: number, digest: Uint8Array): void {
    this.#used += length
    this.#push(digest)
  }

  /** The next file, whose bytes lie elsewhere. */
  hold(content: Held, digest: Uint8Array): void {
    this.#others.set(this.#count, content)
    this.#push(digest)
  }

  /** Every file of the batch, with its bytes or with what is held of it. */
  forEach(use: (index: number, digest: Uint8Array, content: Uint8Array | Held) => void): void {
    let start = 0
    for (let index = 0; index < this.#count; index += 1) {
      const end = this.#ends[index]!
      const digest = this.digests.subarray(index * this.#width, (index + 1) * this.#width)
      use(index, digest, this.#others.get(index) ?? this.arena.subarray(start, end))
      start = end
    }
  }

  #push(digest: Uint8Array): void {
    this.digests.set(digest, this.#count * this.#width)
    this.#ends[this.#count] = this.#used
    this.#count += 1
  }
}
