import { useArtifact } from '../../src/artifact/use-artifact.js'
import { ArtifactError } from '../../src/errors.js'
import { checkEditedAliases, checkTags } from '../../src/model/names.js'
import { type Context, openContext, type Result } from '../context.js'
import { describeEdited } from '../describe-edited.js'

const CHECKS = { aliases: checkEditedAliases, tags: checkTags }

/** Adds to the aliases or the tags of a version, and takes away. */
export async function changeList(
  field: 'aliases' | 'tags',
  name: string,
  { add, remove, context }: { add: string[]; remove?: string[]; context: Context },
): Promise<Result> {
  const added = CHECKS[field](add)
  const removed = CHECKS[field](remove ?? [])
  const both = added.find(one => removed.includes(one))
  if (both !== undefined) throw new ArtifactError('USAGE', `"${both}" is given and taken away`)
  const workspace = openContext(context)
  const { project } = workspace.settings
  const version = await useArtifact(workspace, name, {
    project,
    fresh: true,
    signal: context.signal,
  })
  const kept = version[field].filter(one => !removed.includes(one))
  version[field] = [...new Set([...kept, ...added])]
  await version.save()
  return describeEdited(workspace, version)
}
