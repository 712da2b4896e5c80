import { deleteVersions } from '../../src/artifact/delete-versions.js'
import type { Workspace } from '../../src/artifact/workspace.js'
import { groupByCollection } from '../../src/model/group-by-collection.js'
import { measureFreed } from '../../src/store/measure-freed.js'
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
  const ids = new Set(doomed.map(({ id }) => id))
  const { signal } = context
  const freedBytes = dryRun ? await measureFreed(workspace.store, ids, { signal }) : undefined
  if (!dryRun) await deleteAll(workspace, doomed, rule)
  const data = {
    versions: doomed.map(toRow),
    kept: held.map(toRow),
    dryRun,
    ...(freedBytes !== undefined && { freedBytes }),
  }
  const verb = dryRun ? 'would delete' : 'deleted'
  const lines = [
    ...doomed.map(version => `${verb}  ${describe(version)}`),
    ...held.map(version => `kept  ${describe(version)}  (${holdersOf(version).join(', ')})`),
    summarize(doomed.length, freedBytes),
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

function summarize(deleted: number, freedBytes: number | undefined): string {
  const what = count(deleted, 'version')
  if (freedBytes === undefined) {
    if (deleted === 0) return 'nothing to delete'
    return `${what} deleted; \`artifact cache clean\` frees what nothing else needs`
  }
  return `${what} would be deleted; \`artifact cache clean\` would free ${formatBytes(freedBytes)} here`
}
