import pLimit from 'p-limit'

/** Packs that are under way at a time: one goes out while the remote makes another durable. */
const PARALLEL_PACKS = 2

/** Sends packs, a few at a time. After a failure none is begun. */
export class PackQueue {
  readonly #limit = pLimit(PARALLEL_PACKS)
  #failure: { error: unknown } | undefined

  /** @throws the first failure of any pack of the queue, once none of these is under way. */
  async send(packs: (() => Promise<void>)[]): Promise<void> {
    await Promise.all(packs.map(pack => this.#limit(() => this.#try(pack))))
    if (this.#failure) throw this.#failure.error
  }

  async #try(pack: () => Promise<void>): Promise<void> {
    if (this.#failure) return
    await pack().catch(error => {
      this.#failure ??= { error }
    })
  }
}
