import type { Version } from '../model/version.js'
import type { RemoteVersion } from '../remote/remote.js'
import { noteUse } from '../store/note-use.js'
import type { WorkOptions } from '../store/progress.js'
import { remoteOpener, type Workspace, whyOffline } from './workspace.js'

/**
 * Brings into the store what it does not have of a version that is used now.
 * @param remote the version on the remote, when the store does not have it whole.
 * @returns the bytes that came. @throws as `pullVersion`; offline, nothing is brought.
 */
export async function bringFiles(
  workspace: Workspace,
  version: Version,
  { remote, ...options }: WorkOptions & { remote: RemoteVersion | undefined },
): Promise<number> {
  const bytes = await pullAbsent(workspace, version, { remote, ...options })
  await noteUse(workspace.store, version.id)
  return bytes
}

async function pullAbsent(
  workspace: Workspace,
  version: Version,
  { remote, ...options }: WorkOptions & { remote: RemoteVersion | undefined },
): Promise<number> {
  const { store, settings } = workspace
  if (!remote && (!version.evicted || whyOffline(workspace))) return 0
  const opened = (await remoteOpener(workspace))(settings.remote!)
  const { pullFiles, pullVersion } = await import('../sync/pull.js')
  if (!remote) return pullFiles(store, opened, version, options)
  const { downloadedBytes } = await pullVersion(store, opened, remote, options)
  return downloadedBytes
}
