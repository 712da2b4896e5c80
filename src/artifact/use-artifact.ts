import { parseArtifactName } from '../model/reference-name.js'
import { type ResolveOptions, resolveVersion } from '../sync/resolve.js'
import { LoggedArtifact } from './logged-artifact.js'
import { askRemote, type Workspace } from './workspace.js'

/**
 * Finds a version by `[[ENTITY/]PROJECT/]NAME[:ALIAS|:vN|@ID]`: an alias as the remote has it when
 * that answers within two seconds, else as the store has it, see `resolution`.
 * @throws `ARTIFACT_NOT_FOUND`, `VERSION_NOT_FOUND`, `VERSION_RENUMBERED`, `INVALID_REFERENCE`.
 */
export async function useArtifact(
  workspace: Workspace,
  text: string,
  { project, ...options }: { project: string } & Pick<ResolveOptions, 'fresh' | 'signal'>,
): Promise<LoggedArtifact> {
  const { settings, store } = workspace
  const name = parseArtifactName(text, { entity: settings.entity, project })
  const found = await resolveVersion(store, await askRemote(workspace), name, options)
  const { version, resolved, asOf } = found
  return new LoggedArtifact(workspace, version, Promise.resolve({ version, unchanged: false }), {
    version,
    resolution: { resolved, asOf },
    ...(!found.local && { remote: found.remote }),
  })
}
