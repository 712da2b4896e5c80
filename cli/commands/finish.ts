import { randomBytes } from 'node:crypto'
import { Artifact } from '../../src/artifact/artifact.js'
import { finishArtifact } from '../../src/artifact/upsert-artifact.js'
import { ensureDaemon, type Workspace } from '../../src/artifact/workspace.js'
import { ArtifactError } from '../../src/errors.js'
import type { OnConflict } from '../../src/model/commit.js'
import { checkDistributedId, DEFAULT_TYPE } from '../../src/model/names.js'
import { parseCollectionName } from '../../src/model/reference-name.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes } from '../format.js'
import { describeNext } from './put.js'

export interface FinishOptions {
  group: string
  alias?: string[]
  onConflict: OnConflict
  wait?: boolean
}

export async function finish(
  text: string,
  { group, alias, onConflict, wait }: FinishOptions,
  context: Context,
): Promise<Result> {
  const defaults = openContext(context)
  const { entity, project, name } = parseCollectionName(text, defaults.settings)
  const workspace: Workspace = { ...defaults, settings: { ...defaults.settings, entity, project } }
  const { settings, store } = workspace
  const distributedId = checkDistributedId(group)
  const open = await store.catalog.findOpen({ entity, project, name, distributedId })
  // With a remote the parts may all be on other machines.
  if (!open && settings.remote === null) {
    const message = `"${project}/${name}" has nothing of a group "${group}"`
    throw new ArtifactError('VERSION_NOT_FOUND', message, { details: { project, name, group } })
  }
  const artifact = new Artifact({ name, type: open?.type ?? DEFAULT_TYPE, home: settings.home })
  const run = { id: randomBytes(4).toString('hex'), project, jobType: 'cli_finish', group }
  const finished = finishArtifact(workspace, artifact, {
    ...{ project, run, onConflict },
    aliases: alias,
  })
  await finished.committed
  await ensureDaemon(workspace)
  if (wait) await finished.wait({ signal: context.signal })
  const { id, state, type, size, fileCount, aliases } = finished
  const closing = state === 'closing'
  const data = {
    ...{ entity, project, name, group, id, type, state, size, fileCount, aliases },
    version: closing ? null : finished.version,
    digest: closing ? null : finished.digest,
  }
  const content = `${count(fileCount, 'file')}, ${formatBytes(size)}`
  const head = closing
    ? `${project}/${name}@${id}  ${content} of this machine`
    : `${project}/${name}:${data.version}${aliases.length > 0 ? ` (${aliases.join(', ')})` : ''}  ${content}`
  const next = closing
    ? `It has its number when ${settings.remote} has merged what all machines sent.`
    : describeNext(state, settings)
  return { data, text: `${head}\n${next}` }
}
