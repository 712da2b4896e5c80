import { type CollectionName, NO_NUMBER } from '../model/version.js'
import type { Conflict } from '../model/version-change.js'
import { putConflicts } from './apply-edit.js'
import type { AliasRow, CollectionRow, NumberRow, VersionRow } from './apply-record.js'
import type { LogAnswer, PendingItem } from './catalog.js'
import type { DeletedVersion } from './changing.js'
import { keyRange, keys } from './keys.js'
import { leaveNumber } from './place-number.js'
import { answerDelete } from './plan-delete.js'
import { listPendingOf } from './plan-rename.js'
import { putEdge } from './put-edge.js'
import { putPending } from './put-pending.js'
import type { JournalRecord } from './records.js'
import type { Transaction } from './transaction.js'

export async function applyDelete(
  txn: Transaction,
  seq: number,
  record: JournalRecord & { t: 'delete' },
): Promise<void> {
  const { at, logId, versions, conflicts, target, deleteAliases } = record
  const { entity, project, name, type } = record
  const collection = { entity, project, name }
  const ids = versions.map(({ id }) => id)
  const first = ids[0] ?? conflicts?.[0]?.versionId ?? ''
  txn.put(keys.answer(logId), answerDelete(first, conflicts))
  for (const { id, number } of versions) {
    const row = await txn.get<VersionRow>(keys.version(id))
    const { settled = true, remoteId, run } = row ?? {}
    const known = { settled, ...(remoteId !== undefined && { remoteId }), ...(run && { run }) }
    await putDeleted(txn, { id, ...collection, type: row?.type ?? type, number, ...known, at })
  }
  const gone = new Set(ids)
  const aliases = await takeAliases(txn, collection, { gone, pending: target && seq })
  await dropChanges(txn, collection, gone)
  if (!target || first === '') return
  const item = { ...collection, type, id: first }
  putPending(txn, seq, 'delete', item, { logId, aliases, target, ids, deleteAliases })
}

/** A version that was deleted before it was sent here has its number, and nothing else. */
export async function applySkip(
  txn: Transaction,
  { at, logId, versionId: id, number, run, ...version }: JournalRecord & { t: 'skip' },
): Promise<void> {
  const { entity, project, name, type } = version
  txn.put(keys.answer(logId), { id, number, unchanged: false } satisfies LogAnswer)
  if (run) putEdge(txn, { role: 'output', run, version: { id, entity, project, name, type } })
  await putDeleted(txn, { id, entity, project, name, type, number, settled: true, at })
}

/**
 * The remote gave a number to a version that was deleted here; `NO_NUMBER` if it gave none.
 * @returns what is to take it.
 */
export async function settleDeleted(
  txn: Transaction,
  id: string,
  number: number,
): Promise<DeletedVersion[]> {
  const row = await txn.get<DeletedVersion>(keys.deleted(id))
  if (!row || row.settled) return []
  if (number === NO_NUMBER) {
    txn.put(keys.deleted(id), { ...row, settled: true } satisfies DeletedVersion)
    return []
  }
  if (row.number !== number && row.number !== NO_NUMBER) await leaveNumber(txn, row)
  const after: DeletedVersion = { ...row, number, settled: true }
  txn.put(keys.deleted(id), after)
  return [after]
}

/** The remote answered a deletion; what it did not delete is a version that only it has. */
export async function settleDeletion(
  txn: Transaction,
  at: string,
  { item, conflicts = [] }: { item: PendingItem; conflicts?: Conflict[] },
): Promise<void> {
  for (const { versionId } of conflicts) txn.del(keys.deleted(versionId))
  putConflicts(txn, item, conflicts, at)
}

async function putDeleted(txn: Transaction, row: DeletedVersion): Promise<void> {
  const { id, number } = row
  txn.put(keys.deleted(id), row)
  for (const key of [keys.version(id), keys.pieces(id), keys.used(id)]) txn.del(key)
  const holder = await txn.get<NumberRow>(keys.number(row, number))
  if (!holder?.id) txn.put(keys.number(row, number), { ...holder, id } satisfies NumberRow)
  const collection = await txn.get<CollectionRow>(keys.collection(row))
  const next = Math.max(collection?.next ?? 0, number + 1)
  const { type } = collection ?? row
  txn.put(keys.collection(row), { type, next } satisfies CollectionRow)
}

/** Takes what names deleted versions away; `latest` goes to the newest that is left. */
async function takeAliases(
  txn: Transaction,
  name: CollectionName,
  { gone, pending }: { gone: Set<string>; pending?: number | undefined },
): Promise<string[]> {
  const range = keyRange('alias', name.entity, name.project, name.name)
  const taken: string[] = []
  const mark = pending !== undefined && { pending }
  for (const [key, { id }] of await txn.list<AliasRow>(range)) {
    if (!gone.has(id)) continue
    const alias = key.slice(range.gte.length)
    const newest = alias === 'latest' ? await findNewest(txn, name) : undefined
    if (newest !== undefined) {
      txn.put(key, { id: newest, asOf: null, ...mark } satisfies AliasRow)
    } else if (mark && alias !== 'latest') {
      // What the remote says of it until it knows does not bring it back.
      txn.put(key, { id, asOf: null, ...mark, removed: true } satisfies AliasRow)
    } else txn.del(key)
    if (alias !== 'latest') taken.push(alias)
  }
  return taken
}

async function findNewest(
  txn: Transaction,
  { entity, project, name }: CollectionName,
): Promise<string | undefined> {
  const rows = await txn.list<NumberRow>(keyRange('number', entity, project, name))
  const newestFirst = [...rows].sort(([a], [b]) => (a < b ? 1 : -1))
  for (const [, { id }] of newestFirst) {
    if (id !== undefined && (await txn.get(keys.version(id)))) return id
  }
  return undefined
}

/** What is pending or known about descriptions and aliases of deleted versions is over. */
async function dropChanges(
  txn: Transaction,
  name: CollectionName,
  gone: Set<string>,
): Promise<void> {
  for (const { error, ...item } of await listPendingOf(txn, name)) {
    const { seq, kind, versionId } = item
    if (!gone.has(versionId)) continue
    if (kind === 'alias' || kind === 'edit') txn.del(keys.pending(seq))
    // Nothing of it is sent any more, so that nothing is wrong with it.
    else if (kind === 'version' && error) txn.put(keys.pending(seq), item)
  }
  const range = keyRange('conflict', name.entity, name.project, name.name)
  for (const [key, { versionId }] of await txn.list<Conflict>(range)) {
    if (gone.has(versionId)) txn.del(key)
  }
}
