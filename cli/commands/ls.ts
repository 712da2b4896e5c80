import type { VersionFilter } from '../../src/catalog/catalog.js'
import { ArtifactError } from '../../src/errors.js'
import { checkEntity, checkName, checkProject, checkType } from '../../src/model/names.js'
import { type Context, openContext, type Result } from '../context.js'
import { formatBytes, formatTable } from '../format.js'
import { listVersions } from '../list-versions.js'

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
  const versions = await listVersions(workspace, filter, context)
  const data = versions.map(({ number, ...version }) => ({ ...version, version: `v${number}` }))
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
