import { useArtifact } from '../../src/artifact/use-artifact.js'
import { ArtifactError } from '../../src/errors.js'
import { type Context, openContext, type Result } from '../context.js'
import { describeEdited } from '../describe-edited.js'
import { parseMetadata } from '../parse-metadata.js'

export async function edit(
  name: string,
  { description, metadata }: { description?: string; metadata?: string },
  context: Context,
): Promise<Result> {
  if (description === undefined && metadata === undefined) {
    throw new ArtifactError('USAGE', 'give --description, --metadata or both')
  }
  const parsed = metadata === undefined ? undefined : parseMetadata(metadata)
  const workspace = openContext(context)
  const { project } = workspace.settings
  const version = await useArtifact(workspace, name, {
    project,
    fresh: true,
    signal: context.signal,
  })
  if (description !== undefined) version.description = description === '' ? null : description
  if (parsed !== undefined) version.metadata = parsed
  await version.save()
  return describeEdited(workspace, version)
}
