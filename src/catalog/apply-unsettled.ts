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
 * Makes everything that one remote took pending again, in its old order. Parts that were merged here
 * are no more; the version that they became goes as a version.
 */
export async function applyUnsettled(
  txn: Transaction,
  { storeId }: JournalRecord & { t: 'unsettled' },
): Promise<void> {
  txn.del(keys.server(storeId))
  for (const [key, id] of await txn.list<string>(keyRange('remote'))) {
    if (id === storeId) txn.del(key)
  }
  for (const [key, item] of await txn.list<PendingItem>(keyRange('sent', storeId))) {
    txn.del(key)
    await unsettle(txn, item)
  }
}

async function unsettle(txn: Transaction, item: PendingItem): Promise<void> {
  const { seq, kind, versionId } = item
  const row = await txn.get<VersionRow>(keys.version(versionId))
  if (kind === 'upsert' && !row) return
  if (kind === 'finish' && row?.state !== 'synced') return
  if (!row && (kind === 'version' || kind === 'alias' || kind === 'edit')) {
    const gone = await txn.get<DeletedVersion>(keys.deleted(versionId))
    if (gone && kind !== 'version') return
    if (gone) txn.put(keys.deleted(versionId), { ...gone, settled: false } satisfies DeletedVersion)
  }
  const again = kind === 'finish' ? asVersion(item) : item
  txn.put(keys.pending(seq), again)
  if (kind === 'use' || kind === 'delete') return
  if (row && kind === 'edit') txn.put(keys.version(versionId), holdEdited(row, item))
  if (row && again.kind === 'version') {
    const { remoteId: _, ...rest } = row
    txn.put(keys.version(versionId), { ...rest, state: 'pending', settled: false })
  } else if (row && kind === 'upsert') {
    txn.put(keys.version(versionId), { ...row, settled: false } satisfies VersionRow)
  }
  await holdAliases(txn, again)
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
