import type { Published } from '../store/file-ingester.js'
import type { Ingest } from '../store/ingest.js'

interface Finishing {
  running: Promise<unknown>
  /** What those who come while one is running share. */
  next?: Promise<Published>
}

const finishings = new WeakMap<Ingest, Finishing>()

/**
 * Finishes an ingest, see `Ingest.finish`: those who ask while it is being finished share the next
 * time, and its packs and objects.
 */
export function finishTogether(ingest: Ingest): Promise<Published> {
  const under = finishings.get(ingest)
  if (under?.next) return under.next
  const finishing: Finishing = { running: Promise.resolve() }
  if (under) {
    const next = under.running.then(() => finish(ingest, finishing))
    under.next = next
    return next
  }
  return finish(ingest, finishing)
}

function finish(ingest: Ingest, finishing: Finishing): Promise<Published> {
  finishings.set(ingest, finishing)
  const published = ingest.finish()
  finishing.running = published
    .then(
      () => {},
      () => {},
    )
    .then(() => {
      if (!finishing.next) finishings.delete(ingest)
    })
  return published
}
