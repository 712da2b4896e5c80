import type { PendingItem } from '../catalog/catalog.js'
import { checkRemoteVersion } from './check-remote-version.js'
import type { PushSession } from './push-session.js'

/**
 * After the remote finished an open version: if it merged just what is here, the version here has its
 * number and aliases from now on. Else nothing is done, and the version is asked for there.
 */
export async function importMerged(
  session: PushSession,
  { versionId, entity, project, name }: PendingItem,
  id: string,
): Promise<void> {
  const { catalog } = session.context.store
  const asOf = new Date().toISOString()
  const here = await catalog.getVersion(versionId)
  if (here?.state !== 'closing' || id !== versionId) return
  const { storeId, version } = await session.call((remote, options) =>
    remote.findVersion({ entity, project, name }, { kind: 'id', id }, options),
  )
  const same =
    version.pieces.length === here.pieces.length &&
    version.pieces.every(({ digest }, index) => digest === here.pieces[index]!.digest)
  if (!same) return
  const merged = { ...checkRemoteVersion(session.remote, version), entity }
  await catalog.import({ version: merged, packs: [], objects: [], storeId, asOf })
}
