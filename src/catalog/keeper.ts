import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Digest } from '../model/digest.js'
import type { CommitQueue } from './commit-queue.js'
import { ContentGuard } from './content-guard.js'
import type { RemovalRequest } from './keeping.js'
import { KeyTable } from './key-table.js'
import { NO_ANSWER } from './plan-commit.js'
import type { JournalRecord } from './records.js'
import { type RemovedFiles, Sweep, unlinkFiles } from './sweep.js'
import { type Database, findPlaces } from './transaction.js'

/** How long a host waits before its first removal for those who held at the one before, from its start. */
const COMING_BACK_MS = 500

/** Lets a catalog remove what nothing needs, beside all that is located, added and committed. */
export class Keeper {
  readonly guard: ContentGuard
  readonly #home: string
  readonly #db: Database
  /** Bytes are added, or removed: one at a time. */
  readonly #bytes = pLimit(1)
  readonly #begunAt = performance.now()
  #sweep: Sweep | undefined
  /** What a removal under way has chosen: it answers missing from then on. */
  #condemned: KeyTable | undefined

  constructor({ home, db, clock }: { home: string; db: Database; clock: () => Date }) {
    this.#home = home
    this.#db = db
    this.guard = new ContentGuard(clock)
  }

  /** See `findPlaces`. */
  async locate(keys: Buffer[]): Promise<(Buffer | undefined)[]> {
    // Before it is looked up: a removal that does not see this has condemned the key already.
    this.guard.note(keys)
    const found = await findPlaces(this.#db, keys)
    const condemned = this.#condemned
    return condemned
      ? found.map((location, index) => (condemned.get(keys[index]!) > 0 ? undefined : location))
      : found
  }

  /** Makes bytes locatable that lie under these keys, never while files are removed. */
  add<T>(keys: Buffer[], work: () => Promise<T>): Promise<T> {
    this.guard.note(keys)
    return this.#bytes(work)
  }

  /** See `ContentGuard.notePieces`. */
  notePieces(pieces: Digest[]): void {
    this.guard.notePieces(pieces)
    this.#sweep?.notePieces(pieces)
  }

  /** What is committed from now on may need what a sweep does not know to be needed. */
  noteRecords(records: JournalRecord[]): void {
    for (const record of records) {
      // What a remote is found to have lost may be needed here alone.
      if (record.t === 'unsettled') this.#sweep = undefined
      this.#sweep?.noteRecord(record)
    }
  }

  /** See `Keeping.beginSweep`. */
  async beginSweep(commits: CommitQueue): Promise<string> {
    await sleep(Math.max(0, this.#begunAt + COMING_BACK_MS - performance.now()))
    this.guard.rotate()
    const sweep = new Sweep({ home: this.#home, db: this.#db, pieces: this.guard.listPieces() })
    // In its turn, so that what was committed before is among the roots.
    await commits.commit(async () => {
      this.#sweep = sweep
      return { answer: NO_ANSWER }
    })
    return sweep.name
  }

  /** See `Keeping.removeFiles`. */
  async removeFiles(
    commits: CommitQueue,
    { sweep: name, packs, objects }: RemovalRequest,
  ): Promise<RemovedFiles | null> {
    const sweep = this.#sweep
    if (sweep?.name !== name) return null
    // Most is looked through before anyone has to wait for it.
    await sweep.look()
    let removed: RemovedFiles | null = null
    let unlock = () => {}
    const condemned = new KeyTable()
    try {
      await commits.commit(
        async (txn, at) => {
          if (this.#sweep !== sweep) return { answer: NO_ANSWER }
          unlock = await this.#lockBytes()
          this.#condemned = condemned
          removed = await sweep.plan(
            txn,
            { packs, objects },
            { lookNow: () => this.guard.lookNow(), onGone: key => condemned.set(key, 1) },
          )
          if (removed.packs.length + removed.objects.length === 0) return { answer: NO_ANSWER }
          return { record: { t: 'collected', at, ...removed }, answer: NO_ANSWER }
        },
        { after: () => unlinkFiles(this.#home, removed ?? { packs: [], objects: [] }) },
      )
    } finally {
      if (this.#condemned === condemned) this.#condemned = undefined
      unlock()
    }
    return removed
  }

  /** @returns what ends the lock. */
  #lockBytes(): Promise<() => void> {
    return new Promise(resolve => {
      void this.#bytes(() => new Promise<void>(unlock => resolve(unlock)))
    })
  }
}
