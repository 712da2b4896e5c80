import type { CollectionName } from '../model/version.js'
import type { AliasRow, CollectionRow, NumberRow, VersionRow } from './apply-record.js'
import type { LogAnswer, PendingItem } from './catalog.js'
import { keyRange, keys } from './keys.js'
import { listPendingOf } from './plan-rename.js'
import type { JournalRecord } from './records.js'
import type { Transaction } from './transaction.js'

/** Moves what is pending of a collection, with its aliases, behind what is under the new name. */
export async function applyRename(
  txn: Transaction,
  { from, to }: JournalRecord & { t: 'rename' },
): Promise<void> {
  const target = { ...from, name: to }
  const moved = new Set<string>()
  for (const { error: _, ...item } of await listPendingOf(txn, from)) {
    if (item.kind === 'use' && !moved.has(item.versionId)) continue
    if (item.kind === 'delete') continue
    if (item.kind === 'version' && (await txn.get(keys.deleted(item.versionId)))) {
      txn.del(keys.pending(item.seq))
      continue
    }
    txn.put(keys.pending(item.seq), { ...item, name: to } satisfies PendingItem)
    if (item.kind !== 'version') continue
    await moveVersion(txn, item, target)
    moved.add(item.versionId)
  }
  const aliases = keyRange('alias', from.entity, from.project, from.name)
  for (const [key, row] of await txn.list<AliasRow>(aliases)) {
    if (!moved.has(row.id)) continue
    txn.del(key)
    txn.put(keys.alias(target, key.slice(aliases.gte.length)), row)
  }
  await leaveRest(txn, from)
}

async function moveVersion(
  txn: Transaction,
  { versionId, logId, type }: PendingItem,
  target: CollectionName,
): Promise<void> {
  const row = await txn.get<VersionRow>(keys.version(versionId))
  if (!row) return
  const collection = await txn.get<CollectionRow>(keys.collection(target))
  const number = collection?.next ?? 0
  const old = await txn.get<NumberRow>(keys.number(row, row.number))
  if (old?.id === versionId) txn.del(keys.number(row, row.number))
  const { error: _, ...rest } = row
  const after: VersionRow = { ...rest, name: target.name, number, state: 'pending' }
  txn.put(keys.version(versionId), after)
  txn.put(keys.number(target, number), { id: versionId } satisfies NumberRow)
  txn.put(keys.collection(target), { type, next: number + 1 } satisfies CollectionRow)
  txn.put(keys.answer(logId), { id: versionId, number, unchanged: false } satisfies LogAnswer)
}

/** The old name is free for another type when nothing is left; else its last version is `latest`. */
async function leaveRest(txn: Transaction, from: CollectionName): Promise<void> {
  const range = keyRange('number', from.entity, from.project, from.name)
  const ids = [...(await txn.list<NumberRow>(range))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, { id }]) => id ?? [])
  const last = ids.at(-1)
  if (last === undefined) return txn.del(keys.collection(from))
  if (await txn.get(keys.alias(from, 'latest'))) return
  txn.put(keys.alias(from, 'latest'), { id: last, asOf: null } satisfies AliasRow)
}
