import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { PendingItem } from '../catalog/catalog.js'
import { pendingAfter } from '../catalog/list-pending.js'
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
/** Items that are taken up at a time, unless a page has more: some 20 MB. */
const MAX_UNDER_WAY = 50_000
/** Between two looks for what was logged meanwhile, in milliseconds. */
const LOOK_MS = 500

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
 * as they are in `failed`; neither rejects. What is logged while it is at those that it found is taken up
 * within a second; what comes later may be left to the next push.
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
  readonly #limit = pLimit(PARALLEL_COLLECTIONS)
  /** What was taken up last of each collection that is under way; none rejects. */
  readonly #last = new Map<string, Promise<void>>()
  /** Addresses of remotes that lost something, by the ids of the stores that they were. */
  readonly #lost = new Map<string, string>()
  readonly #doneBefore: number
  #after: string | undefined
  #underWay = 0
  #failure: { error: unknown } | undefined
  #seen = 0

  constructor(context: PushContext, openRemote: OpenRemote, options: PushOptions) {
    this.#context = context
    this.#openRemote = openRemote
    this.#defaultRemote = options.defaultRemote ?? null
    this.#retryFailed = options.retryFailed ?? false
    this.#doneBefore = countDone(context.report)
  }

  /**
   * Pushes all that is pending, and what is logged while it does; the remotes that turned out to have
   * lost something got nothing.
   */
  async run(): Promise<ReadonlyMap<string, string>> {
    try {
      let backlog: Promise<unknown> | undefined
      for (let isOver = false; !(isOver && backlog); ) {
        const isAll = await this.#takeUp()
        const begun = Promise.all(this.#last.values())
        if (isAll) backlog ??= begun
        const done = (backlog ?? begun).then(() => true)
        isOver = await Promise.race([done, sleep(LOOK_MS, false, { ref: false })])
      }
    } finally {
      await Promise.all(this.#last.values())
      await Promise.all([...this.#sessions.values()].map(session => session.close()))
    }
    checkAborted(this.#context.signal)
    if (this.#failure) throw this.#failure.error
    return this.#lost
  }

  /** Begins with what is pending and was not taken up yet. @returns false if it is too much to hold. */
  async #takeUp(): Promise<boolean> {
    const { store, signal, emit } = this.#context
    for (;;) {
      checkAborted(signal)
      if (this.#underWay >= MAX_UNDER_WAY) return false
      const { items, next } = await store.catalog.listPending(this.#after)
      if (items.length > 0) {
        this.#after = pendingAfter(items.at(-1)!)
        this.#seen += items.length
        emit({ type: 'start', items: items.length })
        for (const group of this.#group(items)) this.#begin(group)
      }
      if (next === undefined) return true
    }
  }

  /** A collection goes on when what was taken up of it before is done. */
  #begin(group: Group): void {
    const { key, items } = group
    this.#underWay += items.length
    const push = async (before: Promise<void> | undefined) => {
      await before
      await this.#limit(() => this.#push(group)).catch(error => {
        this.#failure ??= { error }
      })
      this.#underWay -= items.length
      if (this.#last.get(key) === work) this.#last.delete(key)
    }
    const work = push(this.#last.get(key))
    this.#last.set(key, work)
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
