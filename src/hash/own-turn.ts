import { setImmediate as yieldToLoop } from 'node:timers/promises'

let last: Promise<void> = Promise.resolve()

/**
 * Resolves in a turn of the event loop that nobody else was given here. To start a thread keeps the
 * loop for some 8 ms: those of one turn add up.
 */
export function ownTurn(): Promise<void> {
  last = last.then(() => yieldToLoop())
  return last
}
