import type { PendingItem } from '../catalog/catalog.js'
import { ERRORS, type ErrorData } from '../errors.js'
import { NO_NUMBER } from '../model/version.js'
import type { Conflict } from '../model/version-change.js'
import { learnDeletion } from './learn-deletion.js'
import type { Candidate } from './push-collection.js'
import type { PushSession } from './push-session.js'

/**
 * A deletion as it is sent, with versions named as the remote named them before. One that it never
 * told to have is named as it is here, and not as equal content of others.
 */
export async function deleteItem({ context }: PushSession, item: PendingItem): Promise<Candidate> {
  const { logId, ids = [], deleteAliases = false } = item
  const known = await context.store.catalog.listRemoteIds(ids)
  const there = ids.map((id, index) => known[index] ?? id)
  const localIds = new Map(there.map((id, index) => [id, ids[index]!]))
  return { item, localIds, commit: { kind: 'delete', logId, ids: there, deleteAliases } }
}

/** What stands for a version that was deleted before it was sent. Undefined for any other. */
export async function skipItem(
  { context }: PushSession,
  item: PendingItem,
): Promise<Candidate | undefined> {
  const { logId, versionId, type } = item
  const [deleted] = await context.store.catalog.findDeleted([versionId])
  if (item.kind !== 'version' || !deleted) return undefined
  const { run } = deleted
  return { item, commit: { kind: 'skip', logId, versionId, type, ...(run && { run }) } }
}

/** Conflicts with the ids that their versions have here. */
export function nameHere(
  { localIds }: Candidate,
  conflicts: Conflict[] | undefined,
): Conflict[] | undefined {
  if (!localIds) return conflicts
  return conflicts?.map(one => ({
    ...one,
    versionId: localIds.get(one.versionId) ?? one.versionId,
  }))
}

/** What the report says of a deletion; a version that was never sent is none. */
export function countDeleted(
  { commit }: Candidate,
  conflicts: Conflict[] = [],
): { kind: 'delete'; deleted: number } | undefined {
  if (commit.kind === 'skip') return { kind: 'delete', deleted: 0 }
  if (commit.kind !== 'delete') return undefined
  return { kind: 'delete', deleted: commit.ids.length - conflicts.length }
}

/**
 * Takes over that the version of a change is deleted on the remote; and no more offers the number of
 * a version that was never sent. False when neither is what was refused.
 */
export async function learnDeleted(
  session: PushSession,
  { item, commit }: Candidate,
  error: ErrorData,
): Promise<boolean> {
  const { catalog } = session.context.store
  const { seq, kind, versionId: id, entity, project, name } = item
  const isChange = commit.kind === 'alias' || commit.kind === 'edit'
  if (isChange ? error.code !== 'VERSION_DELETED' : commit.kind !== 'skip') return false
  if (ERRORS[error.code].retryable) return false
  const { storeId } = await session.capabilities()
  await catalog.settle(storeId, [{ seq, number: NO_NUMBER }])
  if (isChange) await learnDeletion(session.context.store, [{ ...item, id }])
  const conflicts: Conflict[] = isChange ? [{ versionId: id, field: 'version', error }] : []
  const what = isChange ? { kind, conflicts } : { kind: 'delete' as const, deleted: 0 }
  const number = Number(error.details?.number ?? 0)
  const synced = { ...what, id, number, unchanged: true, entity, project, name }
  session.context.report.synced.push(synced)
  session.context.emit({ type: 'synced', item: synced })
  return true
}
