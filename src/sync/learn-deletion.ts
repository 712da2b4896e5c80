import { randomBytes } from 'node:crypto'
import type { CollectionName } from '../model/version.js'
import type { Store } from '../store/store.js'

/** Takes over that a remote has deleted a version; does nothing if it is not here. */
export async function learnDeletion(
  { catalog }: Store,
  { id, entity, project, name, type }: CollectionName & { id: string; type: string },
): Promise<void> {
  await catalog.delete({
    ...{ logId: randomBytes(16).toString('hex'), entity, project, name, type },
    ...{ versions: [{ id, number: 0 }], deleteAliases: true },
  })
}
