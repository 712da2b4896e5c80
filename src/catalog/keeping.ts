import type { BlobKey } from '../model/blob-key.js'
import type { CollectionName, VersionState } from '../model/version.js'
import type { Page } from './catalog.js'
import type { NeededContent } from './content-marker.js'

/** Something that needs bytes: a version, or a part of an open one. */
export interface Root extends CollectionName, NeededContent {
  id: string
  /** −1: none. */
  number: number
  state: VersionState
  /** All of its bytes may have left the store, which keeps its manifest. */
  evicted: boolean
  /** The remote's id of the same content, when it has it under another. */
  remoteId?: string
  /** When it was last used here, as far as is known, or made. Milliseconds since 1970. */
  usedAt: number
}

export interface RemovalRequest {
  /** As `beginSweep` answered. */
  sweep: string
  /** Packs, whatever is in them. */
  packs: string[]
  objects: BlobKey[]
}

/** What a store keeps, and how it lets go of it. Part of the `Catalog`. */
export interface Keeping {
  /**
   * What is located or added from now on stays for whoever holds, until the hold ends: after so many
   * seconds of the host's clock, unless it is called again under the same id; at once with 0. It ends
   * with the host too: whoever goes on at the next one says `again`, and what it was told before, which
   * nobody knows, is held by holding everything. It is a courtesy, so that a writer need not begin
   * again: see `removeFiles`.
   */
  hold(id: string, seconds: number, again?: boolean): Promise<void>
  /** Everything that needs bytes: versions, parts, requests to finish. In the order of their ids. */
  listRoots(after?: string): Promise<Page<Root>>
  /**
   * The index of all bytes in the store, in the order of their keys: base64 of rows, each of two
   * lengths (16 bits, little-endian) and a key and a location as the index has them.
   */
  listStored(after?: string): Promise<{ rows: string; next?: string }>
  /** Remembers that versions were used now. A cache, in no journal. */
  noteUse(ids: string[]): Promise<void>
  /**
   * Lets the bytes of versions go that a remote has, and keeps their manifests: durable when it
   * resolves. What the remote has not (`isOnRemote`) is passed over. Importing a version, or logging its content
   * again, takes it back.
   */
  evict(ids: string[]): Promise<void>
  /**
   * Begins a removal of what nothing needs; a removal that began before ends. A host that has just begun
   * waits a moment for those who held at the one before. Whatever is committed from here on is known to `removeFiles`. Roots are to be listed after it.
   * @returns the name of the sweep.
   */
  beginSweep(): Promise<string>
  /**
   * Removes packs and objects, those that hold nothing that was needed when the sweep began. A file
   * that holds something that was committed or is held since is spared; with a pack all go that the
   * catalog locates in it. First the catalog forgets what is in them, durably, in one step with a new
   * epoch, so that whatever is committed later and began before is looked through again; then the
   * files are removed, before any other commit.
   * @returns what was removed; null when the sweep is over: its host ended, or another began.
   * @throws `BLOB_MISSING` or `BLOB_DAMAGED` when a manifest committed meanwhile cannot be read.
   */
  removeFiles(request: RemovalRequest): Promise<{ packs: string[]; objects: BlobKey[] } | null>
}

/** As `CATALOG_METHODS`. */
export const KEEPING_METHODS: Record<keyof Keeping, 'reads' | 'writes'> = {
  hold: 'writes',
  listRoots: 'reads',
  listStored: 'reads',
  noteUse: 'writes',
  evict: 'writes',
  beginSweep: 'writes',
  removeFiles: 'writes',
}
