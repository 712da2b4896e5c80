import { listPages } from '../catalog/list-pages.js'
import { isArtifactError } from '../errors.js'
import { type EdgeQuery, type FoundEdge, MAX_EDGE_QUERIES } from '../model/lineage.js'
import type { Remote } from '../remote/remote.js'
import { checkAborted } from '../store/progress.js'
import type { Store } from '../store/store.js'

/** Queries at once: of the store each may become two. */
const QUERIES = MAX_EDGE_QUERIES / 2
/** How long the remote may take for a page before the local answer is given, in milliseconds. */
const TIMEOUT_MS = 2000

export interface EdgeFinderOptions {
  entity: string
  signal?: AbortSignal
  /** Milliseconds that the remote has for each answer. Default 2,000. */
  timeout?: number
}

/**
 * Finds edges in the store and, as long as it answers, on the remote: what was recorded here and not
 * sent yet is in the first, what others did in the second. A version that the remote has under
 * another id than the store is one, under that of the remote.
 */
export class EdgeFinder {
  readonly #store: Store
  readonly #options: EdgeFinderOptions
  #remote: Remote | null
  /** The ids here of versions that the remote has under others, by the ids there. */
  readonly #idsHere = new Map<string, string>()

  constructor(store: Store, remote: Remote | null, options: EdgeFinderOptions) {
    this.#store = store
    this.#remote = remote
    this.#options = options
  }

  /** Who the next answer is of: the remote and the store, or the store alone. */
  get resolved(): 'remote' | 'local' {
    return this.#remote ? 'remote' : 'local'
  }

  /** The id under which a version is found. */
  async findId(id: string): Promise<string> {
    const [there] = await this.#store.catalog.listRemoteIds([id])
    if (!there) return id
    this.#idsHere.set(there, id)
    return there
  }

  /**
   * Each edge once.
   * @throws the remote's errors that no later call would do without; `INTERRUPTED`.
   */
  async find(queries: EdgeQuery[]): Promise<FoundEdge[]> {
    const edges = new Map<string, FoundEdge>()
    const add = ({ role, run, version: { remoteId, ...version } }: FoundEdge) => {
      const id = remoteId ?? version.id
      if (remoteId !== undefined) this.#idsHere.set(remoteId, version.id)
      const key = [role, run.project, run.id, id].join('\0')
      // Who deleted it first knows before the other.
      if (edges.get(key)?.version.state === 'deleted') return
      edges.set(key, { role, run, version: { ...version, id } })
    }
    for (let start = 0; start < queries.length; start += QUERIES) {
      const some = queries.slice(start, start + QUERIES)
      const here = some.flatMap(query => [query, ...this.#alsoHere(query)])
      const { catalog } = this.#store
      for await (const page of listPages(after => catalog.listEdges(here, after))) page.forEach(add)
      for (const edge of await this.#askRemote(some)) add(edge)
    }
    return [...edges.values()]
  }

  #alsoHere(query: EdgeQuery): EdgeQuery[] {
    const id = 'versionId' in query ? this.#idsHere.get(query.versionId) : undefined
    return id === undefined ? [] : [{ role: query.role, versionId: id }]
  }

  async #askRemote(queries: EdgeQuery[]): Promise<FoundEdge[]> {
    const remote = this.#remote
    if (!remote) return []
    const { entity, signal, timeout = TIMEOUT_MS } = this.#options
    const edges: FoundEdge[] = []
    let limit = AbortSignal.timeout(timeout)
    const list = (after?: string) => {
      limit = AbortSignal.timeout(timeout)
      const either = signal ? AbortSignal.any([signal, limit]) : limit
      return remote.listEdges(entity, queries, after, { signal: either })
    }
    try {
      for await (const page of listPages(list)) edges.push(...page)
    } catch (error) {
      checkAborted(signal)
      if (!limit.aborted && !(isArtifactError(error) && error.retryable)) throw error
      this.#remote = null
    }
    return edges
  }
}
