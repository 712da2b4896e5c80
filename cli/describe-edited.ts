import type { LoggedArtifact } from '../src/artifact/logged-artifact.js'
import type { Workspace } from '../src/artifact/workspace.js'
import type { Result } from './context.js'
import { describeConflict, listConflicts } from './describe-conflict.js'
import { labelVersion } from './format.js'

/** What a version says of itself after an edit. */
export async function describeEdited(
  workspace: Workspace,
  version: LoggedArtifact,
): Promise<Result> {
  const { entity, project, name, id, aliases, tags, description, metadata } = version
  const conflicts = await listConflicts(workspace, version)
  const data = {
    ...{ entity, project, name, id, version: version.versionOrNull },
    ...{ aliases, tags, description, metadata, conflicts },
  }
  const lines = [
    labelVersion(version),
    `  aliases      ${aliases.join(', ') || '–'}`,
    `  tags         ${tags.join(', ') || '–'}`,
    `  description  ${description ?? '–'}`,
    `  metadata     ${JSON.stringify(metadata)}`,
    ...conflicts.map(conflict => `  conflict     ${describeConflict(conflict)}`),
  ]
  return { data, text: lines.join('\n') }
}
