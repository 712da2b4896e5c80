import { RateLimit } from '../src/net/rate-limit.js'

/** The limit of an artifactd: the least of what its settings say and of what is asked of it. */
export class DaemonLimit {
  /** What all bodies pass. */
  readonly rate = new RateLimit(Number.POSITIVE_INFINITY)
  readonly #asked = new Set<{ limit: number }>()
  #limit: number | null = null

  /** @param limit of the settings, in bytes a second; null: none. */
  set(limit: number | null): void {
    this.#limit = limit
    this.#apply()
  }

  /** Keeps to a limit, at once and until the work is done, or whoever asked for it is gone. */
  async during<T>(
    limit: number | undefined,
    gone: Promise<unknown>,
    work: () => Promise<T>,
  ): Promise<T> {
    if (limit === undefined) return work()
    const asked = { limit }
    this.#asked.add(asked)
    this.#apply()
    const lift = () => {
      this.#asked.delete(asked)
      this.#apply()
    }
    void gone.then(lift)
    try {
      return await work()
    } finally {
      lift()
    }
  }

  #apply(): void {
    const limits = [...this.#asked].map(({ limit }) => limit)
    this.rate.change(Math.min(this.#limit ?? Number.POSITIVE_INFINITY, ...limits))
  }
}
