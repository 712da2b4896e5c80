import type { Level } from 'level'
import type { KeyRef, Location } from './catalog.js'
import { decodeLocation, locationKey } from './keys.js'

export type Database = Level<string, unknown>

/**
 * Reads that see their own writes, over a database that is changed in one batch at the end. Several
 * commits share one, so that the second sees the first before either is flushed.
 */
export class Transaction {
  readonly #db: Database
  readonly #writes = new Map<string, unknown>()
  /** Keys of locations to be removed, by their hex digits. */
  readonly #removed = new Map<string, Buffer>()

  constructor(db: Database) {
    this.#db = db
  }

  async get<T>(key: string): Promise<T | undefined> {
    if (this.#writes.has(key)) return this.#writes.get(key) as T | undefined
    return (await this.#db.get(key)) as T | undefined
  }

  /** The keys in a range, and their values. */
  async list<T>({ gte, lt }: { gte: string; lt: string }): Promise<Map<string, T>> {
    const rows = new Map(await this.#db.iterator({ gte, lt }).all()) as Map<string, T>
    for (const [key, value] of this.#writes) {
      if (key < gte || key >= lt) continue
      if (value === undefined) rows.delete(key)
      else rows.set(key, value as T)
    }
    return rows
  }

  put(key: string, value: unknown): void {
    this.#writes.set(key, value)
  }

  del(key: string): void {
    this.#writes.set(key, undefined)
  }

  async locate(refs: KeyRef[]): Promise<(Location | null)[]> {
    const locationKeys = refs.map(locationKey)
    const found = await locateIn(this.#db, locationKeys)
    return found.map((location, index) =>
      this.#removed.has(locationKeys[index]!.toString('hex')) ? null : location,
    )
  }

  removeLocation(ref: KeyRef): void {
    const key = locationKey(ref)
    this.#removed.set(key.toString('hex'), key)
  }

  get size(): number {
    return this.#writes.size + this.#removed.size
  }

  async write(): Promise<void> {
    const writes = [...this.#writes].map(([key, value]) =>
      value === undefined ? { type: 'del' as const, key } : { type: 'put' as const, key, value },
    )
    const keyEncoding = 'buffer' as const
    const removals = [...this.#removed.values()].map(key => ({
      type: 'del' as const,
      key,
      keyEncoding,
    }))
    await this.#db.batch<string | Buffer, unknown>([...writes, ...removals], {})
  }
}

export async function locateIn(db: Database, locationKeys: Buffer[]): Promise<(Location | null)[]> {
  const found = await findPlaces(db, locationKeys)
  return found.map(value => (value ? decodeLocation(value) : null))
}

/** As {@link locateIn}; locations as `encodeLocation` made them. */
export function findPlaces(db: Database, locationKeys: Buffer[]): Promise<(Buffer | undefined)[]> {
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
  return db.getMany<Buffer, Buffer>(locationKeys, encodings)
}
