/** The adds and removals of one artifact, which run beside each other in the order of their calls. */
export class Adds {
  readonly #running = new Set<Promise<unknown>>()
  #order = 0
  #failure: { error: unknown } | undefined

  /** The place of the next call. */
  next(): number {
    return this.#order++
  }

  /** Runs one after `begun`. Its promise is marked as handled: {@link end} rethrows what it threw. */
  run<T>(begun: Promise<void>, work: () => Promise<T>): Promise<T> {
    const add = begun.then(work).catch(error => {
      this.#failure ??= { error }
      throw error
    })
    this.#running.add(add)
    const done = () => this.#running.delete(add)
    add.then(done, done)
    return add
  }

  /** Resolves when those that run now are over, however they end. */
  async others(): Promise<void> {
    await Promise.allSettled([...this.#running])
  }

  /** Resolves when none runs. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await this.others()
  }

  /** Resolves when none runs. @throws what the first that failed threw. */
  async end(): Promise<void> {
    await this.settled()
    if (this.#failure) throw this.#failure.error
  }
}
