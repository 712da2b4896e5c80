import type { PendingItem } from '../catalog/catalog.js'
import { isArtifactError } from '../errors.js'
import type { PushSession } from './push-session.js'

/**
 * The remote's id of a version that was settled there under another id than it has here: the
 * remote's version of that number, if it holds the same pieces. Undefined if there is none.
 */
export async function findRemoteId(
  session: PushSession,
  { versionId, entity, project, name }: PendingItem,
): Promise<string | undefined> {
  const version = await session.context.store.catalog.getVersion(versionId)
  if (version?.state !== 'synced') return undefined
  const selector = { kind: 'number' as const, number: version.number }
  try {
    const found = await session.call((remote, options) =>
      remote.findVersion({ entity, project, name }, selector, options),
    )
    const { pieces, id } = found.version
    const same =
      pieces.length === version.pieces.length &&
      pieces.every(({ digest }, index) => digest === version.pieces[index]!.digest)
    return same ? id : undefined
  } catch (error) {
    if (isArtifactError(error, 'ARTIFACT_NOT_FOUND')) return undefined
    if (isArtifactError(error, 'VERSION_NOT_FOUND')) return undefined
    throw error
  }
}
