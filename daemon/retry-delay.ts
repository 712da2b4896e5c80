/** The first delay and the longest, in milliseconds. */
const FIRST_MS = 1000
const LONGEST_MS = 60_000

/** Delays between attempts: each about twice the one before, and never two clients in step. */
export class RetryDelay {
  readonly #random: () => number
  #step = FIRST_MS

  /** @param random as `Math.random`, the default. */
  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /** Milliseconds: between half of the step and the whole. */
  next(): number {
    const step = this.#step
    this.#step = Math.min(step * 2, LONGEST_MS)
    return step * (0.5 + this.#random() / 2)
  }

  reset(): void {
    this.#step = FIRST_MS
  }
}
