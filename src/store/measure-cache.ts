import { ContentMarker } from '../catalog/content-marker.js'
import { isOnRemote } from '../catalog/is-on-remote.js'
import type { Root } from '../catalog/keeping.js'
import { listPages } from '../catalog/list-pages.js'
import { compareUtf8 } from '../model/artifact-path.js'
import { listStoredFiles } from './list-stored-files.js'
import { listStoredKeys } from './list-stored-keys.js'
import { checkAborted } from './progress.js'
import type { Store } from './store.js'
import { StoreReader } from './store-reader.js'

/** What needs bytes, as bits of a label; above them the number of the owner. */
const PENDING = 1
const MANIFEST = 2
const SYNCED = 4
const FLAGS = 8
/** The owner of what several projects need. */
const EVERYBODY = 0

export interface CollectionUse {
  name: string
  versions: number
  /** Of these, those whose bytes may have left the store. */
  evicted: number
  /** Bytes that this collection alone needs. */
  bytes: number
}

export interface ProjectUse {
  entity: string
  project: string
  /** Bytes that this project alone needs: those of its collections, and what they share. */
  bytes: number
  sharedBytes: number
  collections: CollectionUse[]
}

/** Bytes of packs and objects, each counted once. */
export interface CacheUse {
  bytes: number
  /** Needed by what is pending or open: cannot go. */
  pendingBytes: number
  /** Manifests and lists of synced versions: stay as long as the version is listed. */
  manifestBytes: number
  /** Needed by synced versions only: can be evicted, and fetched again. */
  syncedBytes: number
  /** Needed by no version. Where it is little of a pack, a sweep leaves it there. */
  deadBytes: number
  /** Needed by several projects. */
  sharedBytes: number
  projects: ProjectUse[]
}

/** Finds out what takes how much room in a store. It reads every manifest, each piece once. */
export async function measureCache(
  store: Store,
  { signal }: { signal?: AbortSignal } = {},
): Promise<CacheUse> {
  const owners = new Owners()
  const reader = new StoreReader(store, { signal })
  const marker = new ContentMarker(reader, (a, b) => owners.join(a, b))
  for await (const roots of listPages(after => store.catalog.listRoots(after))) {
    for (const root of roots) {
      checkAborted(signal)
      const owner = owners.add(root) * FLAGS
      const isSynced = isOnRemote(root)
      if (isSynced && root.evicted) marker.markManifest(root, owner + MANIFEST)
      else if (isSynced) await marker.mark(root, owner + SYNCED, owner + MANIFEST)
      else await marker.mark(root, owner + PENDING)
    }
  }
  const files = listStoredFiles(store.home)
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  const use = { bytes, pendingBytes: 0, manifestBytes: 0, syncedBytes: 0, sharedBytes: 0 }
  let live = 0
  for await (const keys of listStoredKeys(store, { signal })) {
    for (const { key, bytes } of keys) {
      const label = marker.table.get(key)
      if (label === 0) continue
      live += bytes
      const kind = label & PENDING ? 'pending' : label & MANIFEST ? 'manifest' : 'synced'
      use[`${kind}Bytes`] += bytes
      const owner = Math.floor(label / FLAGS)
      if (owner === EVERYBODY) use.sharedBytes += bytes
      else owners.count(owner, bytes)
    }
  }
  return { ...use, deadBytes: Math.max(0, bytes - live), projects: owners.list() }
}

/** Projects and collections by number; what two of them need belongs to what they have in common. */
class Owners {
  readonly #projects: ProjectUse[] = []
  /** By owner: what it is, and the owner that it is part of. */
  readonly #uses: ({ of: ProjectUse | CollectionUse; project: number } | undefined)[] = [undefined]
  readonly #numbers = new Map<string, number>()

  /** The number of a version's collection. */
  add({ entity, project, name, evicted, state }: Root): number {
    const inProject = this.#number(`${entity}/${project}`, EVERYBODY, () => {
      const of = { entity, project, bytes: 0, sharedBytes: 0, collections: [] }
      this.#projects.push(of)
      return of
    })
    const number = this.#number(`${entity}/${project}/${name}`, inProject, () => {
      const of = { name, versions: 0, evicted: 0, bytes: 0 }
      const { of: parent } = this.#uses[inProject]!
      if ('collections' in parent) parent.collections.push(of)
      return of
    })
    const { of } = this.#uses[number]!
    if ('versions' in of) {
      const isPart = state === 'open'
      of.versions += isPart ? 0 : 1
      of.evicted += evicted && !isPart ? 1 : 0
    }
    return number
  }

  /** By entity, project and name. */
  list(): ProjectUse[] {
    for (const { collections } of this.#projects) {
      collections.sort((a, b) => compareUtf8(a.name, b.name))
    }
    return this.#projects.sort(
      (a, b) => compareUtf8(a.entity, b.entity) || compareUtf8(a.project, b.project),
    )
  }

  join(a: number, b: number): number {
    const flags = (a | b) & (FLAGS - 1)
    return this.#common(Math.floor(a / FLAGS), Math.floor(b / FLAGS)) * FLAGS + flags
  }

  count(owner: number, bytes: number): void {
    const { of, project } = this.#uses[owner]!
    of.bytes += bytes
    if ('sharedBytes' in of) of.sharedBytes += bytes
    else this.#uses[project]!.of.bytes += bytes
  }

  #common(a: number, b: number): number {
    if (a === b || a === EVERYBODY || b === EVERYBODY) return a === b ? a : EVERYBODY
    const [first, second] = [this.#projectOf(a), this.#projectOf(b)]
    return first === second ? first : EVERYBODY
  }

  #projectOf(owner: number): number {
    return this.#uses[owner]!.project || owner
  }

  #number(key: string, project: number, create: () => ProjectUse | CollectionUse): number {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#uses.length
    this.#numbers.set(key, number)
    this.#uses.push({ of: create(), project })
    return number
  }
}
