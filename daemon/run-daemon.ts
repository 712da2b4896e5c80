import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { ArtifactError, type ErrorCode, storeError } from '../src/errors.js'
import { type Endpoint, listenAt } from '../src/ipc/endpoint.js'
import { type RpcHandler, serveRpc } from '../src/ipc/rpc.js'
import { homePaths } from '../src/model/home.js'
import { readSettings } from '../src/store/settings.js'
import { openStore, type Store } from '../src/store/store.js'
import { createHealer } from '../src/sync/create-healer.js'
import { createRemoteOpener } from '../src/sync/create-remote-opener.js'
import { DAEMON_ROLE, type DaemonMethods } from '../src/sync/daemon-client.js'
import { createReport, type SyncEvent, type SyncReport } from '../src/sync/sync-report.js'
import { syncStore } from '../src/sync/sync-store.js'
import { type StoreLock, takeStoreLock } from '../src/sync/take-store-lock.js'
import { CacheKeeper } from './cache-keeper.js'
import { DaemonHealth } from './daemon-health.js'
import { DaemonLimit } from './daemon-limit.js'
import { type PassOptions, PassQueue } from './pass-queue.js'
import { RetryDelay } from './retry-delay.js'
import { watchJournal } from './watch-journal.js'

/** Between two scans, in seconds: what a lost event costs at most. */
const SCAN_SECONDS = 60
/** Repeats of one call within a pass; longer outages are the business of the next passes. */
const RETRIES = 2

export interface DaemonOptions {
  /** Absolute. */
  home: string
  /** Read anew for every pass, together with the store's config.json. */
  env: Record<string, string | undefined>
  logger: Logger
  /** Aborting it ends the daemon cleanly. */
  signal: AbortSignal
  /** It ends after so many seconds with nothing to do. Default: it does not. */
  idleSeconds?: number
  /** Default 60. */
  scanSeconds?: number
}

/**
 * Syncs what is pending in a store, for as long as it is not told to end: when the journal grows,
 * at the start and at intervals. One daemon serves a store.
 *
 * @throws `DAEMON_RUNNING` when another serves the store, at the start or after this one lost its
 *   place; errors of the store that do not pass.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const store = openStore(options.home)
  try {
    const lock = await takeStoreLock(options.home, DAEMON_ROLE)
    if (!lock) throw alreadyRunning(options.home)
    await new Daemon(store, lock, options).run()
  } finally {
    await store.close()
  }
}

class Daemon {
  readonly #store: Store
  readonly #lock: StoreLock
  readonly #options: DaemonOptions
  readonly #passes = new PassQueue(options => this.#pass(options))
  readonly #delay: RetryDelay
  readonly #health = new DaemonHealth()
  readonly #limit = new DaemonLimit()
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #cache: CacheKeeper
  /** Something waits for what the last error was about. */
  #isWaiting = false
  /** Once a scan the remote is asked whether it still has what it took. */
  #askRemote = true
  #fatal: unknown
  #workedAt = performance.now()
  #scanTimer: NodeJS.Timeout | undefined
  #idleTimer: NodeJS.Timeout | undefined
  #ending = false
  #end = () => {}

  constructor(store: Store, lock: StoreLock, options: DaemonOptions) {
    this.#store = store
    this.#lock = lock
    this.#options = options
    this.#delay = new RetryDelay()
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal])
    this.#cache = new CacheKeeper({ store, logger: options.logger, signal: this.#signal })
  }

  async run(): Promise<void> {
    const { home, logger } = this.#options
    let endpoint: Endpoint | undefined
    try {
      endpoint = await listenAt(homePaths(home).host, DAEMON_ROLE, socket =>
        serveRpc(socket, { ...this.#methods(socket) } as Record<string, RpcHandler>),
      )
      logger.info({ home, pid: process.pid }, 'artifactd started')
      await this.#serve()
    } finally {
      this.#ending = true
      clearTimeout(this.#scanTimer)
      clearTimeout(this.#idleTimer)
      await this.#passes.drain()
      // Clients take the end of the connection for the end of the lock.
      await this.#lock.release()
      await endpoint?.close()
    }
    if (this.#fatal !== undefined) throw this.#fatal
    if (!this.#signal.aborted) await this.#passOnce()
    logger.info('artifactd ended')
  }

  /** What one client can ask for. */
  #methods(socket: Socket): DaemonMethods {
    const gone = new Promise(resolve => socket.once('close', resolve))
    return {
      status: async () => this.#health.status(),
      sync: ({ retryFailed = false, limit }) =>
        this.#limit.during(limit, gone, () => this.#requestPass(retryFailed)),
      stop: async () => this.#stop.abort(),
    }
  }

  /** Resolves when it is time to end; an idle end does not abort the signal. */
  async #serve(): Promise<void> {
    const { home, logger } = this.#options
    const watch = watchJournal(home, () => this.#ring(), {
      onError: error => logger.warn({ err: error }, 'cannot watch the journal; scans go on'),
    })
    try {
      await new Promise<void>(resolve => {
        this.#end = resolve
        this.#signal.addEventListener('abort', () => resolve(), { once: true })
        if (this.#signal.aborted) resolve()
        else this.#ring()
      })
    } finally {
      await watch.close()
    }
  }

  /** Asks for a pass now. What it says is in the log and in the status. */
  #ring(): void {
    if (this.#ending || this.#signal.aborted) return
    this.#passes.request({ retryFailed: false }).catch(() => {})
  }

  #scan(): void {
    this.#askRemote = true
    this.#ring()
  }

  /** At the end no pass begins any more: the caller sees the connection close. */
  #requestPass(retryFailed: boolean): Promise<SyncReport> {
    if (this.#ending || this.#signal.aborted) return new Promise(() => {})
    return this.#passes.request({ retryFailed })
  }

  async #pass(options: PassOptions): Promise<SyncReport> {
    clearTimeout(this.#scanTimer)
    clearTimeout(this.#idleTimer)
    this.#health.beginPass()
    try {
      const { home } = this.#options
      if (!existsSync(homePaths(home).store)) throw storeGone(home)
      if (!(await this.#lock.isHeld())) throw alreadyRunning(home)
      const report = await this.#sync(options)
      this.#note(report)
      return report
    } catch (error) {
      throw this.#noteFailure(error)
    } finally {
      this.#schedule()
    }
  }

  async #sync({ retryFailed }: PassOptions): Promise<SyncReport> {
    const { env, home } = this.#options
    const settings = readSettings(env, { home })
    this.#health.remote = settings.remote
    if (settings.mode === 'offline') {
      await this.#cache.keep(settings, null, false)
      const { items } = await this.#store.catalog.listPending()
      return { ...createReport(), pending: items.length }
    }
    this.#limit.set(settings.limit)
    const { rate } = this.#limit
    const openRemote = createRemoteOpener(settings, { retries: RETRIES, rate })
    const { remote } = settings
    this.#store.healer = createHealer(this.#store, async () =>
      remote === null ? null : openRemote(remote),
    )
    const askRemote = this.#askRemote
    this.#askRemote = false
    const report = await syncStore(this.#store, openRemote, {
      askDaemon: false,
      askRemote,
      defaultRemote: settings.remote,
      retryFailed,
      signal: this.#signal,
      onProgress: event => this.#onEvent(event),
    })
    await this.#cache.keep(settings, openRemote, report.synced.length > 0)
    return report
  }

  /** The last look at what came in while the daemon was ending of idleness. */
  async #passOnce(): Promise<void> {
    try {
      await this.#sync({ retryFailed: false })
    } catch (error) {
      this.#noteFailure(error)
    }
  }

  #onEvent(event: SyncEvent): void {
    const { logger } = this.#options
    this.#health.tracker.note(event)
    if (event.type === 'synced') logger.info(event.item, 'synced')
    else if (event.type === 'failed') logger.error(event.item, 'failed')
    else if (event.type === 'lost') {
      const { url, items } = event
      logger.warn({ url, items }, 'the remote lost what it took; it is sent again')
    }
  }

  #note(report: SyncReport): void {
    const { synced, failed, errors, pending, sentBytes, requests } = report
    const { logger } = this.#options
    this.#health.endPass(report)
    this.#isWaiting = pending > 0
    if (errors.length === 0 || synced.length > 0) this.#delay.reset()
    if (requests > 0) this.#workedAt = performance.now()
    if (errors.length > 0) logger.warn({ errors, pending }, 'cannot sync now')
    else if (requests > 0) {
      const counts = { synced: synced.length, failed: failed.length }
      logger.info({ ...counts, pending, sentBytes, requests }, 'pass ended')
    }
  }

  #noteFailure(error: unknown): ArtifactError {
    const coded = storeError(error, 'syncing')
    if (this.#signal.aborted) return coded
    this.#health.endPass(coded)
    this.#isWaiting = true
    this.#options.logger.error({ err: coded }, 'the pass failed')
    if (isFatal(error)) {
      this.#fatal = error
      this.#stop.abort()
    }
    return coded
  }

  /** The next pass without a bell, or the end of an idle daemon. */
  #schedule(): void {
    if (this.#ending || this.#signal.aborted) return
    const { idleSeconds, scanSeconds = SCAN_SECONDS } = this.#options
    const scan = scanSeconds * 1000
    const { lastError } = this.#health
    const isWaiting = lastError !== null && this.#isWaiting
    const askedMs = Number(lastError?.details.retryAfterMs ?? 0)
    const delay = isWaiting ? Math.min(Math.max(this.#delay.next(), askedMs), scan) : scan
    this.#scanTimer = setTimeout(() => this.#scan(), delay)
    if (idleSeconds === undefined || isWaiting) return
    const rest = this.#workedAt + idleSeconds * 1000 - performance.now()
    this.#idleTimer = setTimeout(() => this.#endIdle(), Math.max(0, rest))
  }

  #endIdle(): void {
    // A pass that began meanwhile sets the timer again when it is done.
    if (!this.#passes.isRunning) this.#end()
  }
}

/** Errors that no later pass gets over. A wrong setting is not among them: it can be corrected. */
const FATAL: ReadonlySet<ErrorCode> = new Set([
  'DAEMON_RUNNING',
  'STORE_DAMAGED',
  'STORE_UNSUPPORTED',
  'PROTOCOL_UNSUPPORTED',
])

function isFatal(error: unknown): boolean {
  return !(error instanceof ArtifactError) || FATAL.has(error.code)
}

function storeGone(home: string): ArtifactError {
  return new ArtifactError('STORE_DAMAGED', `the store in ${home} is gone`, { details: { home } })
}

function alreadyRunning(home: string): ArtifactError {
  return new ArtifactError('DAEMON_RUNNING', `an artifactd serves ${home} already`, {
    details: { home },
  })
}
