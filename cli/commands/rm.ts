import { deleteVersions } from '../../src/artifact/delete-versions.js'
import { type FreedBytes, measureFreed } from '../../src/artifact/measure-freed.js'
import type { Workspace } from '../../src/artifact/workspace.js'
import { groupByCollection } from '../../src/model/group-by-collection.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes } from '../format.js'
import { type DoomedVersion, holdersOf, type RemovalRule, selectDoomed } from '../select-doomed.js'

/** Deletes versions that are named, or that a rule means. */
export async function rm(
  names: string[],
  { dryRun = false, ...rule }: RemovalRule & { dryRun?: boolean },
  context: Context,
): Promise<Result> {
  const workspace = openContext(context)
  const { doomed, held } = await selectDoomed(workspace, names, { ...rule, context })
  const freed = dryRun ? await measureFreed(workspace, doomed, context) : undefined
  if (!dryRun) await deleteAll(workspace, doomed, rule)
  const data = {
    versions: doomed.map(toRow),
    kept: held.map(toRow),
    dryRun,
    ...(freed && { freedBytes: freed.local, remoteFreedBytes: freed.remote }),
  }
  const verb = dryRun ? 'would delete' : 'deleted'
  const lines = [
    ...doomed.map(version => `${verb}  ${describe(version)}`),
    ...held.map(version => `kept  ${describe(version)}  (${holdersOf(version).join(', ')})`),
    summarize(doomed.length, freed),
  ]
  return { data, text: lines.join('\n') }
}

async function deleteAll(
  workspace: Workspace,
  doomed: DoomedVersion[],
  { deleteAliases }: RemovalRule,
): Promise<void> {
  for (const versions of groupByCollection(doomed)) {
    await deleteVersions(workspace, versions[0]!, { versions, deleteAliases })
  }
}

function toRow({
  entity,
  project,
  name,
  number,
  id,
  type,
  size,
  createdAt,
  state,
  aliases,
  local,
}: DoomedVersion) {
  const version = `v${number}`
  return { entity, project, name, version, id, type, size, createdAt, state, aliases, local }
}

function describe({ project, name, number, size, createdAt, state }: DoomedVersion): string {
  const label = `${project}/${name}:v${number}`
  const unsent = state === 'synced' ? '' : `, ${state}`
  return `${label}  ${formatBytes(size)}, of ${createdAt.slice(0, 10)}${unsent}`
}

function summarize(deleted: number, freed: FreedBytes | undefined): string {
  const what = count(deleted, 'version')
  if (deleted === 0) return 'nothing to delete'
  if (!freed) return `${what} deleted; \`artifact cache clean\` frees what nothing else needs`
  const there =
    freed.remote === null ? '' : `, and a collection ${formatBytes(freed.remote)} on the remote`
  return (
    `${what} would be deleted; ` +
    `\`artifact cache clean\` would free ${formatBytes(freed.local)} here${there}`
  )
}
