import { ArtifactError } from '../errors.js'
import { openVersionId } from '../model/open-version-id.js'
import type { PendingItem } from './catalog.js'
import { keyRange, keys } from './keys.js'
import { NO_ANSWER, type Plan } from './plan-commit.js'
import type { JournalRecord } from './records.js'
import type { Transaction } from './transaction.js'

/** See `Catalog.dropPart`. */
export async function planDropPart(txn: Transaction, at: string, id: string): Promise<Plan> {
  const item = await findUpsert(txn, id)
  if (item?.error) return { record: { t: 'dropped', at, id }, answer: NO_ANSWER }
  const message = `no part @${id} of an open version has failed`
  throw new ArtifactError('VERSION_NOT_FOUND', message, { details: { id } })
}

/** The part is in no list any more; its bytes stay where they are. */
export async function applyDropped(
  txn: Transaction,
  { id }: JournalRecord & { t: 'dropped' },
): Promise<void> {
  const item = await findUpsert(txn, id)
  if (!item) return
  const { entity, project, name, distributedId = '' } = item
  txn.del(keys.pending(item.seq))
  const openId = openVersionId({ entity, project, name, distributedId })
  for (const [key, partId] of await txn.list<string>(keyRange('part', openId))) {
    if (partId === id) txn.del(key)
  }
  txn.del(keys.version(id))
  txn.del(keys.pieces(id))
}

async function findUpsert(txn: Transaction, id: string): Promise<PendingItem | undefined> {
  const items = (await txn.list<PendingItem>(keyRange('pending'))).values()
  return [...items].find(({ kind, versionId }) => kind === 'upsert' && versionId === id)
}
