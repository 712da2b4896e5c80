import pLimit from 'p-limit'
import type { PendingItem } from '../catalog/catalog.js'
import { listPages } from '../catalog/list-pages.js'
import { ArtifactError, type ErrorData, storeError } from '../errors.js'
import { collectionKey } from '../model/group-by-collection.js'
import type { Remote } from '../remote/remote.js'
import { checkAborted } from '../store/progress.js'
import { checkRemoteUrl } from '../store/settings.js'
import type { Store } from '../store/store.js'
import { holdsOthers } from './holds-others.js'
import { pushCollection } from './push-collection.js'
import { type PushContext, PushSession } from './push-session.js'
import { createReport, type SyncEvent, type SyncReport } from './sync-report.js'

/** Collections that are pushed at the same time. */
const PARALLEL_COLLECTIONS = 4

export type OpenRemote = (url: string) => Remote

export interface PushOptions {
  /** Aborting it stops the push, which rejects with `INTERRUPTED`; what was settled stays so. */
  signal?: AbortSignal
  onProgress?: (event: SyncEvent) => void
  /** Where items go that were logged without a remote. Null or absent: they stay pending. */
  defaultRemote?: string | null
  /** Try items again that failed before. Default false: they and what is behind them wait. */
  retryFailed?: boolean
}

/**
 * Sends what is pending in a store to the remotes that it was logged for. Within a collection the
 * order of the log is kept, always; collections go in parallel. It may be repeated at any time,
 * also after it was cut anywhere.
 *
 * Remotes that cannot be synced now are told in the report's `errors`, items that cannot be synced
 * as they are in `failed`; neither rejects. Items logged meanwhile may be left to the next push.
 *
 * @throws `INTERRUPTED`, and failures of the store.
 */
export async function pushPending(
  store: Store,
  openRemote: OpenRemote,
  options: PushOptions = {},
): Promise<SyncReport> {
  const { signal, onProgress = () => {} } = options
  const context: PushContext = { store, report: createReport(), emit: onProgress, signal }
  for (;;) {
    const push = new Push(context, openRemote, options)
    const lost = await push.run()
    if (lost.size === 0) return push.finish()
    for (const [storeId, url] of lost) {
      const items = await store.catalog.unsettle(storeId)
      context.report.resent += items
      onProgress({ type: 'lost', url, items })
    }
    // Told again by the next round, which meets them again.
    Object.assign(context.report, { failed: [], errors: [] })
  }
}

interface Group {
  session: PushSession
  /** The remote and the collection as one string. */
  key: string
  items: PendingItem[]
}

class Push {
  readonly #context: PushContext
  readonly #openRemote: OpenRemote
  readonly #defaultRemote: string | null
  readonly #retryFailed: boolean
  readonly #sessions = new Map<string, PushSession>()
  readonly #held = new Set<string>()
  /** Addresses of remotes that lost something, by the ids of the stores that they were. */
  readonly #lost = new Map<string, string>()
  readonly #doneBefore: number
  #seen = 0

  constructor(context: PushContext, openRemote: OpenRemote, options: PushOptions) {
    this.#context = context
    this.#openRemote = openRemote
    this.#defaultRemote = options.defaultRemote ?? null
    this.#retryFailed = options.retryFailed ?? false
    this.#doneBefore = countDone(context.report)
  }

  /** Pushes all that is pending; the remotes that turned out to have lost something got nothing. */
  async run(): Promise<ReadonlyMap<string, string>> {
    const { store, signal } = this.#context
    const pages = listPages(after => {
      checkAborted(signal)
      return store.catalog.listPending(after)
    })
    try {
      for await (const items of pages) await this.#pushPage(items)
      return this.#lost
    } finally {
      await Promise.all([...this.#sessions.values()].map(session => session.close()))
    }
  }

  async #pushPage(items: PendingItem[]): Promise<void> {
    this.#seen += items.length
    if (items.length > 0) this.#context.emit({ type: 'start', items: items.length })
    const limit = pLimit(PARALLEL_COLLECTIONS)
    const groups = this.#group(items)
    const ends = await Promise.allSettled(groups.map(group => limit(() => this.#push(group))))
    checkAborted(this.#context.signal)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  finish(): SyncReport {
    const { report } = this.#context
    const done = countDone(report) - this.#doneBefore
    report.pending = this.#seen - done - report.failed.length
    return report
  }

  #group(items: PendingItem[]): Group[] {
    const groups = new Map<string, Group>()
    for (const item of items) {
      const address = item.remote ?? this.#defaultRemote
      const session = address === null ? undefined : this.#findSession(address)
      if (item.error && !this.#retryFailed) this.#reportFailed(item, item.error)
      if (!session) continue
      const key = `${session.url}\0${collectionKey(item)}`
      const group = groups.get(key) ?? { session, key, items: [] }
      group.items.push(item)
      groups.set(key, group)
    }
    return [...groups.values()]
  }

  /** Undefined for an address that no remote can have. */
  #findSession(address: string): PushSession | undefined {
    try {
      const url = checkRemoteUrl(address)
      let session = this.#sessions.get(url)
      if (!session) {
        session = new PushSession(this.#openRemote(url), this.#context)
        this.#sessions.set(url, session)
      }
      return session
    } catch (error) {
      const { errors } = this.#context.report
      const data = storeError(error, `opening the remote ${address}`).toJSON()
      if (!errors.some(({ message }) => message === data.message)) errors.push(data)
      return undefined
    }
  }

  #reportFailed(item: PendingItem, error: ErrorData): void {
    const { kind, versionId: id, entity, project, name } = item
    this.#context.report.failed.push({ kind, id, entity, project, name, error })
  }

  async #push({ session, key, items }: Group): Promise<void> {
    if (this.#held.has(key) || session.stopped || this.#context.signal?.aborted) return
    const ready = await this.#takeReady(items)
    if (!this.#retryFailed && items.some(item => item.error && holdsOthers(item, item.error))) {
      this.#held.add(key)
    }
    try {
      const whole = await pushCollection(session, items[0]!, ready)
      if (!whole) this.#held.add(key)
    } catch (error) {
      if (!(error instanceof ArtifactError)) throw error
      this.#held.add(key)
      if (this.#context.signal?.aborted) return
      const mark = await session.mark()
      if (mark && error.code === 'HISTORY_LOST') {
        this.#lost.set(mark.storeId, session.url)
        session.stopped = error
      } else session.stop(error)
    }
  }

  /**
   * The items before the first failed one that holds others, without failed ones; or all of them,
   * with their errors taken back.
   */
  async #takeReady(items: PendingItem[]): Promise<PendingItem[]> {
    if (!this.#retryFailed) {
      const holding = items.findIndex(item => item.error && holdsOthers(item, item.error))
      const some = holding === -1 ? items : items.slice(0, holding)
      return some.filter(({ error }) => error === undefined)
    }
    for (const { seq, error } of items) {
      if (error) await this.#context.store.catalog.setPendingError(seq)
    }
    return items
  }
}

function countDone({ synced, leftOut }: SyncReport): number {
  return synced.length + leftOut
}
