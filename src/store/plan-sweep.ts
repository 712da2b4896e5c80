import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { ContentMarker } from '../catalog/content-marker.js'
import { isOnRemote } from '../catalog/is-on-remote.js'
import type { Root } from '../catalog/keeping.js'
import { KeyTable } from '../catalog/key-table.js'
import { decodePlace, locationKey } from '../catalog/keys.js'
import { listPages } from '../catalog/list-pages.js'
import type { BlobKey } from '../model/blob-key.js'
import { PACK_HEADER_BYTES } from '../pack/format.js'
import { FOOTER_BYTES, INDEX_RECORD_BYTES } from '../pack/index-record.js'
import { listStoredFiles } from './list-stored-files.js'
import { listStoredKeys } from './list-stored-keys.js'
import { listExposed } from './object-trust.js'
import { checkAborted } from './progress.js'
import type { Store } from './store.js'
import { StoreReader } from './store-reader.js'

/** The label of what evicted versions need and no other. */
const EVICTED = 1
/** The label of what cannot be evicted. Versions that can be have labels of their own in between. */
const KEPT = 0xffffffff
/** A pack of which less is dead is never written anew: evictions make room for what stays so. */
export const LEAST_DEAD_SHARE = 0.05
/** Files that the index does not know may be on their way into it for so long. */
const UNKNOWN_MS = 10 * 60_000
const EMPTY_PACK = PACK_HEADER_BYTES + INDEX_RECORD_BYTES + FOOTER_BYTES

export interface PlanOptions {
  /** Bytes that packs and objects may take. Default: any number, and nothing is evicted. */
  limit?: number | undefined
  /** Which of these versions, and parts, a remote has just now. Default: none is evicted. */
  listHeld?: ((synced: Root[]) => Promise<Set<string>>) | undefined
  signal?: AbortSignal | undefined
  /** Default: the clock of the system. */
  clock?: (() => Date) | undefined
}

/** A pack of which some is needed. */
export interface PartPack {
  packId: string
  size: number
  /** Bytes that go when it is written anew. */
  deadBytes: number
}

export interface SweepPlan {
  /** Of packs and objects. */
  bytes: number
  /** Versions to evict, least recently used first. */
  evicted: Root[]
  objects: BlobKey[]
  deadPacks: { packId: string; size: number }[]
  /** Those of which most is dead first. */
  partPacks: PartPack[]
  /** Bytes of all that is dead. */
  deadBytes: number
  isNeeded(key: BlobKey): boolean
}

/** Finds out what of a store can go: what nothing needs, and what must be evicted for a limit. */
export async function planSweep(store: Store, options: PlanOptions): Promise<SweepPlan> {
  const { signal, limit, clock = () => new Date() } = options
  const candidates = limit === undefined ? [] : await listCandidates(store, options)
  const labels = new Map(candidates.map(({ id }, index) => [id, EVICTED + 1 + index]))
  const exposed = listExposed(store.home).map(locationKey)
  const marker = new ContentMarker(new StoreReader(store, { signal }), Math.max)
  for await (const roots of listPages(after => store.catalog.listRoots(after))) {
    for (const root of roots) {
      checkAborted(signal)
      // One that is to be sent again may still have bytes here.
      const isEvicted = root.evicted && isOnRemote(root)
      if (!isEvicted) await marker.mark(root, labels.get(root.id) ?? KEPT, KEPT)
      else if (exposed.length > 0) await marker.mark(root, EVICTED, KEPT)
      else marker.markManifest(root, KEPT)
    }
  }
  const { table } = marker
  // A link may lead to it, which must not break for a limit.
  for (const key of exposed) if (table.get(key) > 0) table.set(key, KEPT)
  const files = listStoredFiles(store.home)
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  const evictable = limit !== undefined && bytes > limit
  const last = EVICTED + candidates.length
  const cutoff = evictable ? await findCutoff(store, table, { limit, last, signal }) : EVICTED
  const found = await measure(store, { table, cutoff, files, signal, now: clock().getTime() })
  return {
    ...found,
    bytes,
    evicted: candidates.slice(0, cutoff - EVICTED),
    isNeeded: key => table.get(locationKey(key)) > cutoff,
  }
}

/** Versions that may be evicted, least recently used first. */
async function listCandidates(
  { catalog }: Store,
  { listHeld = async () => new Set() }: PlanOptions,
): Promise<Root[]> {
  const synced: Root[] = []
  for await (const roots of listPages(after => catalog.listRoots(after))) {
    for (const root of roots) {
      if (!isOnRemote(root) || root.evicted) continue
      synced.push({ ...root, pieces: [], external: [] })
    }
  }
  const held = await listHeld(synced)
  return synced.filter(({ id }) => held.has(id)).sort((a, b) => a.usedAt - b.usedAt)
}

/** The label up to which all must go so that the rest, with what stays dead, is within the limit. */
async function findCutoff(
  store: Store,
  table: KeyTable,
  { limit, last, signal }: { limit: number; last: number; signal: AbortSignal | undefined },
): Promise<number> {
  const bytesOf = new Float64Array(last + 1)
  const packs = new Set<string>()
  let rest = 0
  for await (const keys of listStoredKeys(store, { signal })) {
    for (const { key, location, bytes } of keys) {
      const label = table.get(key)
      if (label <= EVICTED) continue
      if (location.in === 'pack') packs.add(location.packId)
      rest += bytes
      if (label !== KEPT) bytesOf[label]! += bytes
    }
  }
  const most = limit * (1 - LEAST_DEAD_SHARE) - packs.size * EMPTY_PACK
  let cutoff = EVICTED
  while (rest > most && cutoff < last) {
    cutoff += 1
    rest -= bytesOf[cutoff]!
  }
  return cutoff
}

async function measure(
  store: Store,
  {
    table,
    cutoff,
    files,
    signal,
    now,
  }: {
    table: KeyTable
    cutoff: number
    files: ReturnType<typeof listStoredFiles>
    signal: AbortSignal | undefined
    now: number
  },
) {
  const packs = new Map<string, { liveBytes: number }>()
  const indexed = new KeyTable()
  const objects: BlobKey[] = []
  for await (const keys of listStoredKeys(store, { signal })) {
    for (const { key, location, bytes } of keys) {
      const isLive = table.get(key) > cutoff
      if (location.in === 'object') {
        indexed.set(key, 1)
        if (!isLive) objects.push(decodePlace(key, location).key)
        continue
      }
      const pack = packs.get(location.packId) ?? { liveBytes: 0 }
      packs.set(location.packId, pack)
      if (isLive) pack.liveBytes += bytes
    }
  }
  const deadPacks: SweepPlan['deadPacks'] = []
  const partPacks: PartPack[] = []
  let deadBytes = objects.reduce((sum, { size }) => sum + size, 0)
  for (const { size, task } of files) {
    if (task.do === 'object') {
      const key: BlobKey = { kind: 'blob', digest: task.digest, size }
      if (indexed.get(locationKey(key)) > 0 || !isOld(join(store.home, task.path), now)) continue
      objects.push(key)
      deadBytes += size
      continue
    }
    const { packId } = task
    const pack = packs.get(packId)
    if (!pack && !isOld(join(store.home, task.path), now)) continue
    if (!pack || pack.liveBytes === 0) deadPacks.push({ packId, size })
    else
      partPacks.push({ packId, size, deadBytes: Math.max(0, size - EMPTY_PACK - pack.liveBytes) })
    deadBytes += pack?.liveBytes ? partPacks.at(-1)!.deadBytes : size
  }
  partPacks.sort((a, b) => b.deadBytes / b.size - a.deadBytes / a.size)
  return { objects, deadPacks, partPacks, deadBytes }
}

/** Whoever brings a file in tells the catalog within moments. */
function isOld(path: string, now: number): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat !== undefined && now - stat.ctimeMs > UNKNOWN_MS
}
