import { ArtifactError, isArtifactError } from '../errors.js'
import type { VersionContent } from '../model/version.js'
import type { Store } from './store.js'

/**
 * Looks before bytes are asked for that would be refused in the end.
 * @throws `TYPE_CONFLICT` when the collection has versions of another type.
 */
export async function checkTakenType(store: Store, version: VersionContent): Promise<void> {
  const { entity, project, name, type: given } = version
  const latest = { kind: 'alias' as const, alias: 'latest' }
  try {
    const { type } = (await store.catalog.findVersion({ entity, project, name }, latest)).version
    if (type === given) return
    const message = `"${project}/${name}" has the type "${type}", not "${given}"`
    const details = { name: `${project}/${name}`, type, given }
    throw new ArtifactError('TYPE_CONFLICT', message, { details })
  } catch (error) {
    if (isArtifactError(error, 'ARTIFACT_NOT_FOUND')) return
    if (isArtifactError(error, 'VERSION_NOT_FOUND')) return
    throw error
  }
}
