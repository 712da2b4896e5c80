import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { compareUtf8 } from '../model/artifact-path.js'
import type { Entry } from '../model/entry.js'

/** Entries in a block: a page of a listing, some 200 KB before compression. */
const BLOCK_ENTRIES = 1000

/** Fast: paths and URIs repeat so much that more effort saves little. */
const LEVEL = 1

interface Block {
  first: string
  last: string
  /** A JSON array of entries, deflated. */
  bytes: Buffer
}

/**
 * Entries in ascending order of their paths, in 30 to 60 bytes each, a tenth of what objects take:
 * what a bucket lists of a large prefix.
 */
export class EntryRun {
  readonly #blocks: Block[] = []
  #open: Entry[] = []
  #last: string | undefined
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Appends an entry; false, and nothing is done, when its path does not come after the last. */
  push(entry: Entry): boolean {
    if (this.#last !== undefined && compareUtf8(this.#last, entry.path) >= 0) return false
    this.#last = entry.path
    this.#length += 1
    if (this.#open.push(entry) === BLOCK_ENTRIES) {
      const bytes = deflateRawSync(JSON.stringify(this.#open), { level: LEVEL })
      this.#blocks.push({ first: this.#open[0]!.path, last: entry.path, bytes })
      this.#open = []
    }
    return true
  }

  *entries(): Generator<Entry, void, undefined> {
    for (const block of this.#blocks) yield* decode(block)
    yield* this.#open
  }

  find(path: string): Entry | undefined {
    // Few runs are long enough for this to matter, and few paths are looked for.
    const block = this.#blocks.find(({ last }) => compareUtf8(path, last) <= 0)
    if (!block) return this.#open.find(entry => entry.path === path)
    if (compareUtf8(path, block.first) < 0) return undefined
    return decode(block).find(entry => entry.path === path)
  }
}

function decode({ bytes }: Block): Entry[] {
  return JSON.parse(inflateRawSync(bytes).toString()) as Entry[]
}
