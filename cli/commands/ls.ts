import { askRemote, type Workspace } from '../../src/artifact/workspace.js'
import type { VersionFilter, VersionSummary } from '../../src/catalog/catalog.js'
import { ArtifactError, isArtifactError } from '../../src/errors.js'
import { checkEntity, checkName, checkProject, checkType } from '../../src/model/names.js'
import { collectPages } from '../collect-pages.js'
import { type Context, openContext, type Result } from '../context.js'
import { formatBytes, formatTable } from '../format.js'

/** How long the remote may take before the local list is printed alone. */
const REMOTE_MS = 2000

export async function ls(
  where: string | undefined,
  options: { type?: string },
  context: Context,
): Promise<Result> {
  const workspace = openContext(context)
  const filter: VersionFilter = {
    ...parseWhere(where, workspace.settings.entity),
    ...(options.type !== undefined && { type: checkType(options.type) }),
  }
  const local = await collectPages(after => workspace.store.catalog.listVersions(filter, after))
  const remote = await listRemote(workspace, filter, context)
  const data = unite(local, remote)
  const rows = data.map(
    ({ project, name, version, type, size, state, evicted, aliases, createdAt }) => [
      `${project}/${name}:${version}`,
      type,
      formatBytes(size),
      evicted ? 'evicted' : state,
      createdAt.slice(0, 19).replace('T', ' '),
      aliases.join(', '),
    ],
  )
  const head = ['NAME', 'TYPE', 'SIZE', 'STATE', 'CREATED (UTC)', 'ALIASES']
  const text = rows.length > 0 ? formatTable([head, ...rows]) : 'no versions'
  return { data, text }
}

/** `[[ENTITY/]PROJECT[/NAME]]`: one part is a project. */
function parseWhere(where: string | undefined, entity: string): VersionFilter {
  if (where === undefined) return { entity }
  const parts = where.replace(/\/$/, '').split('/')
  if (parts.length > 3) {
    throw new ArtifactError('INVALID_REFERENCE', `write [ENTITY/]PROJECT[/NAME], not "${where}"`)
  }
  const owner = parts.length === 3 ? checkEntity(parts.shift()) : entity
  const [project, name] = parts
  return {
    entity: owner,
    project: checkProject(project),
    ...(name !== undefined && { name: checkName(name) }),
  }
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

/** One row a version; the remote's word counts for what both have. */
function unite(local: VersionSummary[], remote: VersionSummary[]) {
  const here = new Map(local.map(version => [version.id, version]))
  const byId = new Map([...local, ...remote].map(version => [version.id, version]))
  return [...byId.values()]
    .sort((a, b) => compare(a.project, b.project) || compare(a.name, b.name) || a.number - b.number)
    .map(({ settled, number, ...version }) => ({
      ...version,
      version: `v${number}`,
      local: here.has(version.id) && !here.get(version.id)?.evicted,
      evicted: here.get(version.id)?.evicted !== undefined,
    }))
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
