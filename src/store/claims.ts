/**
 * Content that an ingest is writing and that the catalog does not know yet, so that it is written
 * once. A claim ends when the pack that holds its bytes can be located; what is in memory is
 * therefore bounded by the packs under way, however much is added.
 */
export class Claims<Writer extends object> {
  readonly #names = new Set<string>()
  /** For each writer, the claims whose bytes may be in its open pack. */
  readonly #open = new Map<Writer, string[]>()

  has(name: string): boolean {
    return this.#names.has(name)
  }

  add(writer: Writer, name: string): void {
    this.#names.add(name)
    const open = this.#open.get(writer)
    if (open) open.push(name)
    else this.#open.set(writer, [name])
  }

  /** How many claims of a writer are open: what `release` is to be given later. */
  count(writer: Writer): number {
    return this.#open.get(writer)?.length ?? 0
  }

  /** Ends the oldest claims of a writer, whose bytes can be located now. */
  release(writer: Writer, count: number): void {
    for (const name of this.#open.get(writer)?.splice(0, count) ?? []) this.#names.delete(name)
  }
}
