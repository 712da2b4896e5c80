import { askRemote, type Workspace } from '../src/artifact/workspace.js'
import { MAX_BATCH, type VersionFilter, type VersionSummary } from '../src/catalog/catalog.js'
import { isArtifactError } from '../src/errors.js'
import { collectionKey, groupByCollection } from '../src/model/group-by-collection.js'
import type { CollectionName } from '../src/model/version.js'
import type { Remote } from '../src/remote/remote.js'
import { cutRuns } from '../src/store/cut-runs.js'
import { applyPendingEdits } from '../src/sync/apply-pending-edits.js'
import { learnDeletions } from '../src/sync/learn-deletion.js'
import { collectPages } from './collect-pages.js'
import type { Context } from './context.js'

/** How long the remote may take for an answer before the local list counts alone. */
const REMOTE_MS = 2000
/** Versions of an artifact that a note names. */
const NAMED = 5

export interface ListedVersion extends Omit<VersionSummary, 'settled' | 'evicted'> {
  /** Its files are in the local store. */
  local: boolean
  /** It is in the local store, but its files need not be. */
  evicted: boolean
}

/**
 * Versions here and on the remote, by project, name and number; those that either has deleted are
 * left out, and what the remote has deleted is from then on here too. The remote's word counts for
 * what both have, but for a collection of which something is pending here it is what this store will
 * make of it.
 */
export async function listVersions(
  workspace: Workspace,
  filter: VersionFilter,
  context: Context,
): Promise<ListedVersion[]> {
  const { catalog } = workspace.store
  const list = () => collectPages(after => catalog.listVersions(filter, after))
  const remote = await askRemote(workspace)
  const listed = remote && (await listRemote(remote, filter, context))
  const local = await list()
  if (!remote || !listed) return unite(local, [])
  const there = await listThere(workspace, { local, listed })
  const ids = new Set(there.map(({ id }) => id))
  const absent = local.filter(({ id, state }) => state === 'synced' && !ids.has(id))
  const deleted = await noteDeletions(workspace, remote, { absent, context })
  // What cannot be noted in this store is not there all the same.
  const left = deleted.size > 0 ? (await list()).filter(({ id }) => !deleted.has(id)) : local
  return unite(left, await overlay(workspace, { local: left, there }))
}

/** One row a version. */
function unite(local: VersionSummary[], there: VersionSummary[]): ListedVersion[] {
  const here = new Map(local.map(version => [version.id, version]))
  const byId = new Map([...local, ...there].map(version => [version.id, version]))
  return [...byId.values()]
    .sort((a, b) => compare(a.project, b.project) || compare(a.name, b.name) || a.number - b.number)
    .map(({ settled: _, ...version }) => {
      const evicted = here.get(version.id)?.evicted !== undefined
      return { ...version, local: here.has(version.id) && !evicted, evicted }
    })
}

/** What the remote has and was not deleted here, with the ids that its versions have here. */
async function listThere(
  { store }: Workspace,
  { local, listed }: { local: VersionSummary[]; listed: VersionSummary[] },
): Promise<VersionSummary[]> {
  const idsHere = new Map<string, string>()
  for (const some of cutRuns(local, { weigh: () => 1, most: MAX_BATCH })) {
    const ids = await store.catalog.listRemoteIds(some.map(({ id }) => id))
    for (const [index, id] of ids.entries()) if (id) idsHere.set(id, some[index]!.id)
  }
  const there: VersionSummary[] = []
  for (const some of cutRuns(listed, { weigh: () => 1, most: MAX_BATCH })) {
    const deleted = await store.catalog.findDeleted(some.map(({ id }) => id))
    for (const [index, version] of some.entries()) {
      if (deleted[index]) continue
      there.push({ ...version, id: idsHere.get(version.id) ?? version.id })
    }
  }
  return there
}

/** Which of the versions that the remote does not list it has deleted, so that they are not here either. */
async function noteDeletions(
  { store }: Workspace,
  remote: Remote,
  { absent, context }: { absent: VersionSummary[]; context: Context },
): Promise<Set<string>> {
  const deleted = await orUnanswered(context, signal => {
    return learnDeletions(store, remote, { versions: absent, signal })
  })
  if (!deleted) return new Set()
  for (const group of groupByCollection(absent.filter(({ id }) => deleted.has(id)))) {
    const { project, name } = group[0]!
    const numbers = group.slice(0, NAMED).map(({ number }) => `v${number}`)
    const more = group.length > NAMED ? ' and more' : ''
    context.note(
      `deleted on the remote: ${project}/${name} ${numbers.join(', ')}${more}; ` +
        '`artifact cache clean` frees what only they needed',
    )
  }
  return deleted
}

/** What the remote has, as far as this store will not change it. */
async function overlay(
  workspace: Workspace,
  { local, there }: { local: VersionSummary[]; there: VersionSummary[] },
): Promise<VersionSummary[]> {
  const { catalog } = workspace.store
  const items = await collectPages(after => catalog.listPending(after))
  const pending = items.filter(({ kind, error }) => kind !== 'use' && !error)
  const collections = new Set(pending.map(collectionKey))
  const changing = local.filter(version => collections.has(collectionKey(version)))
  const ids = new Set(changing.map(({ id }) => id))
  const here = new Set(local.map(({ id }) => id))
  const edits = pending.filter(({ kind }) => kind === 'edit')
  const moved = new Set(changing.flatMap(one => one.aliases.map(alias => aliasKey(one, alias))))
  return there
    .filter(({ id }) => !ids.has(id))
    .map(version => {
      const aliases = version.aliases.filter(alias => !moved.has(aliasKey(version, alias)))
      return here.has(version.id) ? version : applyPendingEdits({ ...version, aliases }, edits)
    })
}

async function listRemote(
  remote: Remote,
  filter: VersionFilter,
  context: Context,
): Promise<VersionSummary[] | undefined> {
  const listed: VersionSummary[] = []
  let after: string | undefined
  do {
    const page = await orUnanswered(context, signal => {
      return remote.listVersions(filter, after, { signal })
    })
    if (!page) {
      context.note(`the remote ${remote.url} did not answer; this is what the local store has`)
      return undefined
    }
    listed.push(...page.items)
    after = page.next
  } while (after !== undefined)
  return listed
}

/** Undefined when the remote did not answer in time, or may answer later. */
async function orUnanswered<T>(
  { signal }: Context,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(REMOTE_MS)])
  try {
    return await ask(deadline)
  } catch (error) {
    signal.throwIfAborted()
    if (!deadline.aborted && !(isArtifactError(error) && error.retryable)) throw error
    return undefined
  }
}

const aliasKey = (version: CollectionName, alias: string) => `${collectionKey(version)}\0${alias}`

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
