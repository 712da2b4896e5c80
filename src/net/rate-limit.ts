import { setTimeout as sleep } from 'node:timers/promises'

/** What was not used for so long may be used at once, in milliseconds. */
const BURST_MS = 250
/** Bytes that pass at once are at most a quarter of a second's, within these bounds. */
const MIN_SLICE = 1024
const MAX_SLICE = 64 * 1024

export interface RateLimitOptions {
  /** Milliseconds, ascending. Default: of the process. */
  now?: () => number
  /** Rejects when the signal is aborted. Default: a timer. */
  wait?: (ms: number, signal?: AbortSignal) => Promise<unknown>
}

/** A token bucket for bytes, first come first served. */
export class RateLimit {
  #perMs = 0
  #slice = 0
  readonly #now: () => number
  readonly #wait: (ms: number, signal?: AbortSignal) => Promise<unknown>
  /** When all that was taken so far has passed. */
  #freeAt = Number.NEGATIVE_INFINITY

  /** @param bytesPerSecond `Infinity` lets everything pass. */
  constructor(bytesPerSecond: number, options: RateLimitOptions = {}) {
    this.change(bytesPerSecond)
    this.#now = options.now ?? (() => performance.now())
    this.#wait = options.wait ?? ((ms, signal) => sleep(ms, undefined, { signal }))
  }

  /** Binds from now on whatever passes, also what is under way. */
  change(bytesPerSecond: number): void {
    this.#perMs = bytesPerSecond / 1000
    this.#slice = Math.min(MAX_SLICE, Math.max(MIN_SLICE, Math.floor(bytesPerSecond / 4)))
  }

  /** Resolves when so many bytes may pass. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = this.#now()
    const start = Math.max(this.#freeAt, now - BURST_MS)
    this.#freeAt = start + bytes / this.#perMs
    if (start > now) await this.#wait(start - now, signal)
  }

  /** The same bytes, in parts that are no longer than what passes in a moment. */
  async *pass(
    parts: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const part of parts) {
      for (let at = 0; at < part.length; ) {
        const slice = part.subarray(at, at + this.#slice)
        await this.take(slice.length, signal)
        yield slice
        at += slice.length
      }
    }
  }
}

const limits = new Map<number, RateLimit>()

/** The limit of this process for such a rate: all who ask for the same one share it. */
export function sharedLimit(bytesPerSecond: number): RateLimit {
  const limit = limits.get(bytesPerSecond) ?? new RateLimit(bytesPerSecond)
  limits.set(bytesPerSecond, limit)
  return limit
}
