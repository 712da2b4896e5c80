import { ArtifactError } from '../errors.js'
import type { CollectionName } from '../model/version.js'
import type { CollectionRow, VersionRow } from './apply-record.js'
import type { PendingItem, RenameRequest } from './catalog.js'
import { keyRange, keys } from './keys.js'
import { checkType, NO_ANSWER, type Plan } from './plan-commit.js'
import type { Transaction } from './transaction.js'

/** See `Catalog.rename`. */
export async function planRename(
  txn: Transaction,
  at: string,
  { from, to }: RenameRequest,
): Promise<Plan> {
  const pending = await listPendingOf(txn, from)
  const moved: string[] = []
  for (const { kind, versionId } of pending) {
    if (kind === 'version' && (await txn.get(keys.version(versionId)))) moved.push(versionId)
  }
  // Uses of versions that stay are no reason not to, and stay.
  const items = pending.filter(
    ({ kind, versionId }) =>
      moved.includes(versionId) || !['use', 'delete', 'version'].includes(kind),
  )
  const target = { ...from, name: to }
  const known = await txn.get<CollectionRow>(keys.collection(target))
  if (items.length === 0) {
    // Done before, as far as can be told.
    if (known && to !== from.name) return { answer: NO_ANSWER }
    throw refused(from, 'nothing of it is pending')
  }
  if (to === from.name) throw refused(from, 'that is its name')
  if (items.some(({ kind }) => kind === 'upsert' || kind === 'finish')) {
    throw refused(from, 'a version that a group of runs builds is named by it; log its files anew')
  }
  if (!items.some(({ error }) => error?.code === 'TYPE_CONFLICT')) {
    throw refused(from, 'no version was refused because of its type')
  }
  for (const { versionId } of items) {
    if (!moved.includes(versionId)) throw refused(from, `@${versionId} is synced under that name`)
  }
  const row = await txn.get<VersionRow>(keys.version(moved[0]!))
  if (row) await checkType(txn, { ...target, type: row.type })
  const answer = { ...NO_ANSWER, number: moved.length }
  return { record: { t: 'rename', at, from, to }, answer }
}

/** What is pending of a collection, in the order of the log. */
export async function listPendingOf(
  txn: Transaction,
  { entity, project, name }: CollectionName,
): Promise<PendingItem[]> {
  const all = [...(await txn.list<PendingItem>(keyRange('pending'))).values()]
  return all
    .filter(item => item.entity === entity && item.project === project && item.name === name)
    .sort((a, b) => a.seq - b.seq)
}

function refused({ project, name }: CollectionName, reason: string): ArtifactError {
  return new ArtifactError('RENAME_REFUSED', `"${project}/${name}" cannot be renamed: ${reason}`, {
    details: { project, name },
  })
}
