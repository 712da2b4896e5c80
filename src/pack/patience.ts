/** After so many in a row that did not pay, only every eighth is looked at. */
const PATIENCE = 32
const SKIPPED = 7

/** Whether to look at something, where it takes long and what comes is often like what came before. */
export class Patience {
  #failures = 0

  /** What `look` finds; undefined if that is nothing, or it was not asked. */
  ask<Found>(look: () => Found | undefined): Found | undefined {
    const skips = this.#failures > PATIENCE && this.#failures % (SKIPPED + 1) !== 0
    const found = skips ? undefined : look()
    this.#failures = found === undefined ? this.#failures + 1 : 0
    return found
  }
}
