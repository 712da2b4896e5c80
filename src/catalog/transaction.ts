import type { Level } from 'level'

export type Database = Level<string, unknown>

/**
 * Reads that see their own writes, over a database that is changed in one batch at the end. Several
 * commits share one, so that the second sees the first before either is flushed.
 */
export class Transaction {
  readonly #db: Database
  readonly #writes = new Map<string, unknown>()

  constructor(db: Database) {
    this.#db = db
  }

  async get<T>(key: string): Promise<T | undefined> {
    if (this.#writes.has(key)) return this.#writes.get(key) as T | undefined
    return (await this.#db.get(key)) as T | undefined
  }

  put(key: string, value: unknown): void {
    this.#writes.set(key, value)
  }

  del(key: string): void {
    this.#writes.set(key, undefined)
  }

  get size(): number {
    return this.#writes.size
  }

  async write(): Promise<void> {
    await this.#db.batch(
      [...this.#writes].map(([key, value]) =>
        value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value },
      ),
    )
  }
}
