import type { SyncReport } from '../src/sync/sync-report.js'

export interface PassOptions {
  retryFailed: boolean
}

interface Requested {
  retryFailed: boolean
  report: Promise<SyncReport>
  start: () => void
}

/** Runs passes one after another. Requests that come during one share the next. */
export class PassQueue {
  readonly #runPass: (options: PassOptions) => Promise<SyncReport>
  #next: Requested | undefined
  #running: Promise<void> | undefined

  constructor(runPass: (options: PassOptions) => Promise<SyncReport>) {
    this.#runPass = runPass
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Answers with a pass that begins after this call. */
  request({ retryFailed }: PassOptions): Promise<SyncReport> {
    this.#next ??= this.#prepare()
    this.#next.retryFailed ||= retryFailed
    const { report } = this.#next
    this.#running ??= this.#runAll()
    return report
  }

  /** Resolves when nothing runs and nothing is requested. */
  async drain(): Promise<void> {
    await this.#running
  }

  #prepare(): Requested {
    let start = () => {}
    const started = new Promise<void>(resolve => {
      start = resolve
    })
    const requested: Requested = {
      retryFailed: false,
      report: started.then(() => this.#runPass({ retryFailed: requested.retryFailed })),
      start,
    }
    return requested
  }

  async #runAll(): Promise<void> {
    // Requests made in the same turn belong to the same pass.
    await Promise.resolve()
    while (this.#next) {
      const { report, start } = this.#next
      this.#next = undefined
      start()
      await report.catch(() => {})
    }
    this.#running = undefined
  }
}
