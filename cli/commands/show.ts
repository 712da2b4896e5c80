import { useArtifact } from '../../src/artifact/use-artifact.js'
import { type Context, openContext, type Result } from '../context.js'
import { describeConflict, listConflicts } from '../describe-conflict.js'
import { formatBytes, labelVersion } from '../format.js'
import { noteAge } from './get.js'

export async function show(name: string, _options: object, context: Context): Promise<Result> {
  const workspace = openContext(context)
  const { project } = workspace.settings
  const version = await useArtifact(workspace, name, {
    project,
    fresh: true,
    signal: context.signal,
  })
  const data = {
    entity: version.entity,
    project: version.project,
    name: version.name,
    id: version.id,
    version: version.versionOrNull,
    type: version.type,
    digest: version.digest,
    size: version.size,
    fileCount: version.fileCount,
    aliases: version.aliases,
    tags: version.tags,
    description: version.description,
    metadata: version.metadata,
    createdAt: version.createdAt,
    state: version.state,
    conflicts: await listConflicts(workspace, version),
    evicted: version.evicted,
    ...version.resolution!,
  }
  noteAge(data, workspace.settings.remote !== null, context)
  const lines = [
    `${data.entity}/${labelVersion(version)}`,
    `  id           ${data.id}`,
    `  type         ${data.type}`,
    `  content      ${data.fileCount} files, ${formatBytes(data.size)}, digest ${data.digest}`,
    `  created      ${data.createdAt}`,
    `  state        ${data.state}${data.evicted ? ', evicted' : ''}`,
    `  aliases      ${data.aliases.join(', ') || '–'}`,
    ...(data.tags.length > 0 ? [`  tags         ${data.tags.join(', ')}`] : []),
    `  description  ${data.description ?? '–'}`,
    `  metadata     ${JSON.stringify(data.metadata)}`,
    ...data.conflicts.map(conflict => `  conflict     ${describeConflict(conflict)}`),
  ]
  return { data, text: lines.join('\n') }
}
