import type { Entry } from '../model/entry.js'
import { formatVersionName } from '../model/reference-name.js'
import type { Version } from '../model/version.js'
import { ManifestIndex } from '../store/manifest-index.js'
import { type Changes, listChanged } from '../store/merge-changes.js'
import type { Store } from '../store/store.js'
import type { EntryTable } from './entry-table.js'

/** The version that a draft began as: its manifest is here, its files need not be. */
export class DraftBase {
  readonly version: Version
  readonly #store: Store
  readonly #index: ManifestIndex

  constructor(store: Store, version: Version) {
    this.version = version
    this.#store = store
    this.#index = new ManifestIndex(store, version.pieces)
  }

  /** What a draft makes of it. @throws as `Changes`. */
  changes(table: EntryTable): Changes {
    return table.changes(formatVersionName(this.version))
  }

  /** The entries of the draft, in path order. @throws as `listChanged`. */
  list(table: EntryTable): AsyncGenerator<Entry, void, undefined> {
    return listChanged(this.#store, this.version.pieces, this.changes(table))
  }

  /** The entry of the base at a path, unless the draft removed it. */
  async find(path: string, table: EntryTable): Promise<Entry | undefined> {
    return this.changes(table).removes(path) ? undefined : this.#index.find(path)
  }

  /** The entry at a path, or else the first below it. */
  async findAt(path: string): Promise<Entry | undefined> {
    const entry = await this.#index.find(path)
    if (entry) return entry
    for await (const below of this.#index.list(path)) return below
    return undefined
  }
}
