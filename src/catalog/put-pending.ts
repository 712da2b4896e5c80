import type { CollectionName } from '../model/version.js'
import type { LogRequest, PendingItem } from './catalog.js'
import { keys } from './keys.js'
import type { Transaction } from './transaction.js'

/** Enters a record among those to be sent, under its number in the journal. */
export function putPending(
  txn: Transaction,
  seq: number,
  kind: PendingItem['kind'],
  version: CollectionName & { id: string; type: string },
  record: Pick<
    PendingItem,
    | 'logId'
    | 'aliases'
    | 'distributedId'
    | 'onConflict'
    | 'run'
    | 'change'
    | 'ids'
    | 'deleteAliases'
  > &
    Pick<LogRequest, 'target'>,
): void {
  const { logId, aliases, target, distributedId, onConflict, run, change } = record
  const { ids, deleteAliases } = record
  txn.put(keys.pending(seq), {
    seq,
    kind,
    logId,
    versionId: version.id,
    entity: version.entity,
    project: version.project,
    name: version.name,
    type: version.type,
    aliases,
    remote: target?.remote ?? null,
    ...(distributedId !== undefined && { distributedId }),
    ...(onConflict && { onConflict }),
    ...(run && { run }),
    ...(change && { change }),
    ...(ids && { ids, deleteAliases: deleteAliases ?? false }),
  } satisfies PendingItem)
}
