import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { writeWhole } from '../disk/write-whole.js'
import { storeError } from '../errors.js'

/** Where the bytes of one download go, one after another. */
export interface ReferenceSink {
  /** Bytes that were there before, the first ones of the download. */
  readonly begun: number
  /** Gives those. */
  readBegun(): AsyncIterable<Uint8Array>
  /** @param at the offset, which is the length so far. */
  write(bytes: Uint8Array, at: number): void | Promise<void>
  /** Forgets what was written. */
  restart(): void | Promise<void>
  close(): void | Promise<void>
}

/** Keeps bytes in memory, for objects that are small. */
export class MemorySink implements ReferenceSink {
  readonly begun = 0
  #parts: Uint8Array[] = []

  async *readBegun(): AsyncGenerator<Uint8Array> {}

  get bytes(): Uint8Array {
    return Buffer.concat(this.#parts)
  }

  write(bytes: Uint8Array): void {
    this.#parts.push(bytes)
  }

  restart(): void {
    this.#parts = []
  }

  close(): void {}
}

/**
 * Makes a new file, mode 0600, for the bytes, or goes on with one.
 * @param file its absolute path; with `begun` the file is there and has so many bytes.
 * @throws `STORE_FULL` or `STORE_FAILED`, as do the methods of the sink.
 */
export async function openFileSink(file: string, begun = 0): Promise<ReferenceSink> {
  const guard = async (doing: string, work: () => Promise<unknown>) => {
    try {
      await work()
    } catch (error) {
      throw storeError(error, `${doing} ${file}`)
    }
  }
  const out = await open(file, begun > 0 ? 'r+' : 'wx', 0o600).catch(error => {
    throw storeError(error, `making ${file}`)
  })
  return {
    begun,
    async *readBegun() {
      try {
        yield* createReadStream(file, { highWaterMark: 1024 * 1024 })
      } catch (error) {
        throw storeError(error, `reading ${file}`)
      }
    },
    write: (bytes, at) => guard('writing', () => writeWhole(out, bytes, at)),
    restart: () => guard('emptying', () => out.truncate(0)),
    close: () => guard('closing', () => out.close()),
  }
}
