import { readVersion } from '../src/disk/read-version.js'
import { ArtifactError } from '../src/errors.js'
import type { DaemonStatus, PassSummary } from '../src/sync/daemon-client.js'
import { ProgressTracker } from '../src/sync/progress-tracker.js'
import type { SyncReport } from '../src/sync/sync-report.js'

/** What artifactd says of itself. */
export class DaemonHealth {
  readonly tracker = new ProgressTracker()
  remote: string | null = null
  /** Why the last pass left something behind. */
  lastError: ArtifactError | null = null
  readonly #version = readVersion()
  readonly #startedAt = new Date()
  #passBeganAt: Date | null = null
  #lastPass: PassSummary | null = null

  beginPass(): void {
    this.#passBeganAt = new Date()
  }

  /** @param report of a pass that failed: its error. */
  endPass(report: SyncReport | ArtifactError): void {
    const startedAt = this.#passBeganAt ?? new Date()
    this.#passBeganAt = null
    this.tracker.endPass()
    const times = { startedAt: startedAt.toISOString(), endedAt: new Date().toISOString() }
    if (report instanceof ArtifactError) {
      this.lastError = report
      this.#lastPass = { ...times, synced: 0, failed: 0, pending: null, sentBytes: 0 }
      return
    }
    const { synced, failed, errors, pending, sentBytes } = report
    const [error] = errors
    this.lastError = error ? ArtifactError.from(error) : null
    const counts = { synced: synced.length, failed: failed.length, pending, sentBytes }
    this.#lastPass = { ...times, ...counts }
  }

  status(): DaemonStatus {
    return {
      pid: process.pid,
      version: this.#version,
      startedAt: this.#startedAt.toISOString(),
      uptimeSeconds: Math.floor(process.uptime()),
      state: this.#passBeganAt ? 'syncing' : 'idle',
      versions: this.tracker.list(),
      lastPass: this.#lastPass,
      lastError: this.lastError?.toJSON() ?? null,
      remote: this.remote,
    }
  }
}
