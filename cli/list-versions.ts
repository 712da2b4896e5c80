import { askRemote, type Workspace } from '../src/artifact/workspace.js'
import { MAX_BATCH, type VersionFilter, type VersionSummary } from '../src/catalog/catalog.js'
import { listPages } from '../src/catalog/list-pages.js'
import { isArtifactError } from '../src/errors.js'
import type { CollectionName } from '../src/model/version.js'
import { collectPages } from './collect-pages.js'
import type { Context } from './context.js'

/** How long the remote may take before the local list counts alone. */
const REMOTE_MS = 2000

export interface ListedVersion extends Omit<VersionSummary, 'settled' | 'evicted'> {
  /** Its files are in the local store. */
  local: boolean
  /** It is in the local store, but its files need not be. */
  evicted: boolean
}

/**
 * Versions here and on the remote, by project, name and number; those that are deleted here are in
 * neither. The remote's word counts for what both have, but for a collection of which something is
 * pending here it is what this store will make of it.
 */
export async function listVersions(
  workspace: Workspace,
  filter: VersionFilter,
  context: Context,
): Promise<ListedVersion[]> {
  const { catalog } = workspace.store
  const remote = await listRemote(workspace, filter, context)
  const local = await collectPages(after => catalog.listVersions(filter, after))
  const pending = remote.length > 0 ? await listPendingCollections(workspace) : new Set<string>()
  const here = new Map(local.map(version => [version.id, version]))
  const deleted = await listDeleted(workspace, remote)
  const moved = new Set(
    local.filter(one => pending.has(keyOf(one))).flatMap(one => one.aliases.map(aliasKey(one))),
  )
  const there = remote
    .filter(({ id }) => !deleted.has(id) && !(here.has(id) && pending.has(keyOf(here.get(id)!))))
    .map(one => ({
      ...one,
      aliases: one.aliases.filter(alias => !moved.has(aliasKey(one)(alias))),
    }))
  const byId = new Map([...local, ...there].map(version => [version.id, version]))
  return [...byId.values()]
    .sort((a, b) => compare(a.project, b.project) || compare(a.name, b.name) || a.number - b.number)
    .map(({ settled: _, ...version }) => {
      const evicted = here.get(version.id)?.evicted !== undefined
      return { ...version, local: here.has(version.id) && !evicted, evicted }
    })
}

async function listRemote(
  workspace: Workspace,
  filter: VersionFilter,
  { signal, note }: Context,
): Promise<VersionSummary[]> {
  const remote = await askRemote(workspace)
  if (!remote) return []
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(REMOTE_MS)])
  try {
    return await collectPages(after => remote.listVersions(filter, after, { signal: deadline }))
  } catch (error) {
    signal.throwIfAborted()
    if (!deadline.aborted && !(isArtifactError(error) && error.retryable)) throw error
    note(`the remote ${remote.url} did not answer; this is what the local store has`)
    return []
  }
}

/** Collections whose versions or aliases here the remote does not know yet. */
async function listPendingCollections({ store }: Workspace): Promise<Set<string>> {
  const keys = new Set<string>()
  for await (const items of listPages(after => store.catalog.listPending(after))) {
    for (const item of items) if (item.kind !== 'use' && !item.error) keys.add(keyOf(item))
  }
  return keys
}

async function listDeleted({ store }: Workspace, versions: { id: string }[]): Promise<Set<string>> {
  const ids = new Set<string>()
  for (let start = 0; start < versions.length; start += MAX_BATCH) {
    const some = versions.slice(start, start + MAX_BATCH)
    const rows = await store.catalog.findDeleted(some.map(({ id }) => id))
    for (const row of rows) if (row) ids.add(row.id)
  }
  return ids
}

const keyOf = ({ entity, project, name }: CollectionName) => [entity, project, name].join('\0')
const aliasKey = (version: CollectionName) => (alias: string) => `${keyOf(version)}\0${alias}`

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
