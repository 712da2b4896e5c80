import type { SyncEvent, VersionProgress } from './sync-report.js'

/** A rate is taken over at least so many milliseconds, and counts for so much beside those before. */
const SAMPLE_MS = 500
const NEW_SHARE = 0.3

/** How a version fares. */
export interface VersionStatus extends VersionProgress {
  /** It is on its way now; else it waits for a later pass. */
  active: boolean
  /** Lately; 0 while nothing moves. */
  bytesPerSecond: number
  /** Until all that is known to be missing there is sent; null when that cannot be told. */
  etaSeconds: number | null
}

interface Tracked {
  progress: VersionProgress
  active: boolean
  rate: number
  /** When the last sample of the rate was taken, and what was sent by then. */
  sampledAt: number
  sampledBytes: number
  /** Of earlier passes. */
  retriesBefore: number
}

/** Keeps how versions fare over the passes of a process, until they are synced or failed. */
export class ProgressTracker {
  readonly #now: () => number
  readonly #versions = new Map<string, Tracked>()

  /** @param now milliseconds, ascending. Default: of the process. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  note(event: SyncEvent): void {
    if (event.type === 'bytes') {
      const { type: _, ...progress } = event
      this.#follow(progress)
    } else if (event.type === 'synced' || event.type === 'failed') {
      this.#versions.delete(event.item.id)
    }
  }

  /** What is left waits from now on. */
  endPass(): void {
    for (const tracked of this.#versions.values()) {
      if (!tracked.active) continue
      const { progress } = tracked
      Object.assign(tracked, { active: false, rate: 0, retriesBefore: retriesOf(tracked) })
      tracked.progress = { ...progress, retries: 0 }
    }
  }

  list(): VersionStatus[] {
    return [...this.#versions.values()].map(tracked => {
      if (tracked.active) this.#sample(tracked)
      const { progress, active, rate } = tracked
      const left = progress.bytesTotal - progress.bytesSent
      return {
        ...progress,
        retries: retriesOf(tracked),
        active,
        bytesPerSecond: Math.round(rate),
        etaSeconds: active && rate >= 1 ? Math.ceil(left / rate) : null,
      }
    })
  }

  #follow(progress: VersionProgress): void {
    const known = this.#versions.get(progress.id)
    if (!known?.active) {
      this.#versions.set(progress.id, {
        progress,
        active: true,
        rate: 0,
        sampledAt: this.#now(),
        sampledBytes: 0,
        retriesBefore: known?.retriesBefore ?? 0,
      })
      return
    }
    known.progress = progress
    this.#sample(known)
  }

  /** A pack that goes out anew takes its bytes back: then nothing has moved. */
  #sample(tracked: Tracked): void {
    const elapsed = this.#now() - tracked.sampledAt
    if (elapsed < SAMPLE_MS) return
    const { bytesSent } = tracked.progress
    const rate = (Math.max(0, bytesSent - tracked.sampledBytes) / elapsed) * 1000
    tracked.rate = tracked.rate === 0 ? rate : tracked.rate * (1 - NEW_SHARE) + rate * NEW_SHARE
    tracked.sampledAt += elapsed
    tracked.sampledBytes = bytesSent
  }
}

function retriesOf({ progress, retriesBefore }: Tracked): number {
  return progress.retries + retriesBefore
}
