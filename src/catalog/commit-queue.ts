import { applyRecord } from './apply-record.js'
import type { LogAnswer } from './catalog.js'
import type { Journal } from './journal.js'
import { keys } from './keys.js'
import type { Plan } from './plan-commit.js'
import type { JournalRecord } from './records.js'
import { type Database, Transaction } from './transaction.js'

interface Commit {
  plan: (txn: Transaction, at: string) => Promise<Plan>
  after?: (() => void) | undefined
  resolve: (answer: LogAnswer) => void
  reject: (error: unknown) => void
}

export interface CommitQueueOptions {
  home: string
  db: Database
  journal: Journal
  clock: () => Date
  /** @throws once the index refused a write. */
  checkWhole: () => void
  /** Is told of what became durable, before its callers are. */
  onRecords: (records: JournalRecord[]) => void
  /** Runs what writes to the index. @throws as `checkWhole`. */
  write: <T>(work: () => Promise<T>) => Promise<T>
}

/** Most commits that share one flush, so that none waits long. */
const MAX_GROUP = 200

/**
 * Commits in the order in which they were asked for: each is planned over what those before it
 * changed, and as many as wait share one flush of the journal and one batch of the index.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions
  readonly #queue: Commit[] = []
  #committing: Promise<void> | undefined

  constructor(options: CommitQueueOptions) {
    this.#options = options
  }

  /**
   * Resolves when what the plan says is durable; rejects with what it throws.
   * @param after runs after that, before any other commit is planned; such a commit is planned after
   *   all before it are durable. What it throws rejects the call, and the commit stays.
   */
  commit(plan: Commit['plan'], { after }: Pick<Commit, 'after'> = {}): Promise<LogAnswer> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ plan, after, resolve, reject })
      this.#committing ??= this.#commitAll()
    })
  }

  /** Waits for the commits under way. */
  async drain(): Promise<void> {
    while (this.#committing) await this.#committing
  }

  async #commitAll(): Promise<void> {
    while (this.#queue.length > 0) await this.#commitGroup(this.#takeGroup())
    this.#committing = undefined
  }

  #takeGroup(): Commit[] {
    const alone = this.#queue.findIndex(({ after }) => after)
    return this.#queue.splice(0, alone === -1 ? MAX_GROUP : Math.min(MAX_GROUP, alone || 1))
  }

  async #commitGroup(group: Commit[]): Promise<void> {
    const { home, db, journal, clock, checkWhole, onRecords, write } = this.#options
    const txn = new Transaction(db)
    const records: JournalRecord[] = []
    const planned: (() => void)[] = []
    const accepted: Commit[] = []
    for (const commit of group) {
      try {
        checkWhole()
        const { record, answer } = await commit.plan(txn, clock().toISOString())
        if (record) {
          await applyRecord(txn, journal.lastSeq + records.length + 1, record, home)
          records.push(record)
        }
        accepted.push(commit)
        planned.push(() => commit.resolve(answer))
      } catch (error) {
        commit.reject(error)
      }
    }
    try {
      if (records.length > 0) txn.put(keys.applied, await journal.append(records))
      if (txn.size > 0) await write(() => txn.write())
      onRecords(records)
      for (const { after } of accepted) after?.()
    } catch (error) {
      for (const commit of accepted) commit.reject(error)
      return
    }
    for (const resolve of planned) resolve()
  }
}
