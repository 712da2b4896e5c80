import { randomBytes } from 'node:crypto'
import type { Store } from './store.js'

/** A writer that is stopped for longer may have to begin again. */
const HOLD_SECONDS = 60
const RENEW_MS = 20_000

/**
 * Makes what is found in the store and added to it from now on stay until the hold is released, so
 * that it can be committed; see `Catalog.hold`. Calls of the catalog that are made afterwards take
 * effect after it. It goes on at the next host when the host ends; it ends with this process, and does
 * not keep that from ending.
 *
 * @returns the release; a second call does nothing.
 */
export function holdContent(store: Store): () => void {
  const id = randomBytes(8).toString('hex')
  const ask = (seconds: number, again?: boolean) => {
    // Without it a commit may have to begin again, and a store that fails is told by other calls.
    store.catalog.hold(id, seconds, again).catch(() => {})
  }
  const timer = setInterval(() => {
    if (store.closed) clearInterval(timer)
    else ask(HOLD_SECONDS)
  }, RENEW_MS).unref()
  const forget = store.onNewHost(() => ask(HOLD_SECONDS, true))
  ask(HOLD_SECONDS)
  let isHeld = true
  return () => {
    clearInterval(timer)
    forget()
    if (isHeld && !store.closed) ask(0)
    isHeld = false
  }
}
