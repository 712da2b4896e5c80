import { openVersionId } from '../model/open-version-id.js'
import { holdEdited } from './apply-edit.js'
import type { AliasRow, VersionRow } from './apply-record.js'
import type { PendingItem } from './catalog.js'
import type { DeletedVersion } from './changing.js'
import { keyRange, keys } from './keys.js'
import type { JournalRecord } from './records.js'
import type { Transaction } from './transaction.js'

/** Keeps what a remote took, so that it can be sent again. */
export function putSent(txn: Transaction, storeId: string, item: PendingItem): void {
  const { error: _, ...clean } = item
  txn.put(keys.sent(storeId, item.seq), clean satisfies PendingItem)
}

/**
 * Makes everything that one remote took pending again, in its old order. A version that was finished goes
 * as a version, if it is here; else its parts go again, and the request to finish it.
 */
export async function applyUnsettled(
  txn: Transaction,
  { storeId }: JournalRecord & { t: 'unsettled' },
): Promise<void> {
  txn.del(keys.server(storeId))
  for (const [key, id] of await txn.list<string>(keyRange('remote'))) {
    if (id === storeId) txn.del(key)
  }
  /** Open versions of which a part goes again. */
  const open = new Set<string>()
  for (const [key, item] of await txn.list<PendingItem>(keyRange('sent', storeId))) {
    txn.del(key)
    if (item.distributedId === undefined) await unsettle(txn, item)
    else await unsettleOpen(txn, item, open)
  }
}

async function unsettle(txn: Transaction, item: PendingItem): Promise<void> {
  const { seq, kind, versionId } = item
  const row = await txn.get<VersionRow>(keys.version(versionId))
  if (!row && (kind === 'version' || kind === 'alias' || kind === 'edit')) {
    const gone = await txn.get<DeletedVersion>(keys.deleted(versionId))
    if (gone && kind !== 'version') return
    if (gone) txn.put(keys.deleted(versionId), { ...gone, settled: false } satisfies DeletedVersion)
  }
  txn.put(keys.pending(seq), item)
  if (kind === 'use' || kind === 'delete') return
  if (row && kind === 'edit') txn.put(keys.version(versionId), holdEdited(row, item))
  if (row && kind === 'version') {
    const { remoteId: _, ...rest } = row
    txn.put(keys.version(versionId), { ...rest, state: 'pending', settled: false })
  }
  await holdAliases(txn, item)
}

/** An upsert or a finish. */
async function unsettleOpen(txn: Transaction, item: PendingItem, open: Set<string>): Promise<void> {
  const { seq, kind, entity, project, name, distributedId = '' } = item
  const id = openVersionId({ entity, project, name, distributedId })
  const finished = await txn.get<VersionRow>(keys.version(id))
  if (kind === 'finish') {
    if (finished?.state === 'synced') await unsettle(txn, asVersion(item))
    else if (open.has(id)) txn.put(keys.pending(seq), item)
    return
  }
  const part = await txn.get<VersionRow>(keys.version(item.versionId))
  if (!part || finished?.state === 'synced' || finished?.state === 'pending') return
  const { remoteId: _, ...rest } = part
  txn.put(keys.version(part.id), { ...rest, settled: false })
  txn.put(keys.pending(seq), item)
  open.add(id)
}

/** What a finished version is sent as, once all of it is here. */
function asVersion({ distributedId: _, onConflict: __, ...item }: PendingItem): PendingItem {
  return { ...item, kind: 'version' }
}

/** Aliases that lead to the version are this store's to tell again until the remote has it. */
async function holdAliases(
  txn: Transaction,
  { seq, kind, versionId, aliases, ...name }: PendingItem,
): Promise<void> {
  for (const alias of kind === 'version' ? [...aliases, 'latest'] : aliases) {
    const row = await txn.get<AliasRow>(keys.alias(name, alias))
    if (row?.id !== versionId) continue
    txn.put(keys.alias(name, alias), { ...row, pending: seq } satisfies AliasRow)
  }
}
