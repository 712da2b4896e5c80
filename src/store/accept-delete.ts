import { deletedError } from '../catalog/plan-delete.js'
import { checkRun } from '../model/check-run.js'
import type { CommitItem, CommitResult } from '../model/commit.js'
import { checkId, checkType } from '../model/names.js'
import type { CollectionName } from '../model/version.js'
import type { Store } from './store.js'

/**
 * Makes a deletion that came from outside. What is not here, or not any more, needs none.
 * @throws `VERSION_NOT_FOUND` for a version of another collection.
 */
export async function acceptDelete(
  { catalog }: Store,
  { entity, project, name }: CollectionName,
  { logId, ids, deleteAliases }: CommitItem & { kind: 'delete' },
): Promise<CommitResult> {
  const versions = ids.map(id => ({ id: checkId(id), number: 0 }))
  const request = { logId, entity, project, name, type: '', versions, deleteAliases }
  return { status: 'committed', ...(await catalog.delete(request)) }
}

/** Gives a number away that no version will have. @throws `TYPE_CONFLICT`. */
export async function acceptSkip(
  { catalog }: Store,
  { entity, project, name }: CollectionName,
  { logId, ...item }: CommitItem & { kind: 'skip' },
): Promise<CommitResult> {
  const versionId = checkId(item.versionId)
  const type = checkType(item.type, name)
  const run = item.run && checkRun(item.run)
  const request = { logId, versionId, type, entity, project, name, ...(run && { run }) }
  return { status: 'committed', ...(await catalog.skip(request)) }
}

/** @throws `VERSION_DELETED`. */
export async function expectNotDeleted(
  { catalog }: Pick<Store, 'catalog'>,
  collection: CollectionName,
  id: string,
): Promise<void> {
  const [deleted] = await catalog.findDeleted([id])
  if (deleted && deleted.project === collection.project && deleted.name === collection.name) {
    throw deletedError(deleted)
  }
}
