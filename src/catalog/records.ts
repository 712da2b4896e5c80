import type { BlobKey } from '../model/blob-key.js'
import type { Piece } from '../model/entry.js'
import type { OpenName } from '../model/open-version-id.js'
import type { CollectionName, RunInfo, Version, VersionContent } from '../model/version.js'
import type { Conflict } from '../model/version-change.js'
import type { History, PlacedKey, SettledItem } from './catalog.js'
import type { DeleteRequest, EditRequest, SkipRequest } from './changing.js'
import type { FinishRequest, UpsertRequest } from './open-version.js'
import type { UseRequest } from './plan-use.js'

/** What the journal holds: one record per commit. `at` is ISO 8601, given by the host. */
export type JournalRecord =
  | {
      t: 'version'
      at: string
      logId: string
      version: VersionContent
      number: number
      aliases: string[]
      /** Present when it must be sent to a remote. */
      target?: { remote: string | null }
      complete: boolean
      packs: string[]
      objects: BlobKey[]
      external?: Piece[]
      /** Its base was not whole here. */
      evicted?: 'base'
    }
  | {
      t: 'alias'
      at: string
      logId: string
      versionId: string
      aliases: string[]
      target?: { remote: string | null }
      /** It logged what the version has, which had not been known. */
      run?: RunInfo
      /** It was evicted, and all its bytes are here again. */
      whole?: true
    }
  | {
      t: 'import'
      at: string
      version: Omit<Version, 'state'>
      packs: string[]
      objects: BlobKey[]
      storeId: string
      asOf: string
      /** Its files are not here, unless they were. */
      manifestOnly?: boolean
    }
  | {
      t: 'settled'
      at: string
      storeId: string
      items: SettledItem[]
      url?: string
      history?: History
    }
  /** A remote lost what it took: all of it is pending again. */
  | { t: 'unsettled'; at: string; storeId: string }
  /** What is pending of a collection goes under another name, in the same project. */
  | { t: 'rename'; at: string; from: CollectionName; to: string }
  /** What is pending for one remote goes to another. */
  | { t: 'redirect'; at: string; from: string; to: string }
  /** A part of an open version that a remote refused is given up. */
  | { t: 'dropped'; at: string; id: string }
  /** A server over this store began; `id` is random. */
  | { t: 'era'; at: string; id: string }
  | { t: 'removed'; at: string; places: PlacedKey[] }
  | { t: 'collected'; at: string; packs: string[]; objects: BlobKey[] }
  | { t: 'evicted'; at: string; ids: string[] }
  | ({ t: 'edit'; at: string; conflicts?: Conflict[] } & EditRequest)
  | ({ t: 'delete'; at: string; conflicts?: Conflict[] } & DeleteRequest)
  | ({ t: 'skip'; at: string; number: number } & SkipRequest)
  /** Stands for a record that was damaged: its number is not given again. */
  | { t: 'lost'; at: string }
  | ({ t: 'upsert'; at: string } & Omit<UpsertRequest, 'epoch'>)
  | ({ t: 'use'; at: string } & UseRequest)
  | ({ t: 'close'; at: string } & OpenName)
  | ({ t: 'finish'; at: string; number: number } & Omit<FinishRequest, 'epoch'>)
