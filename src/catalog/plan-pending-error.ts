import type { ErrorData } from '../errors.js'
import type { VersionRow } from './apply-record.js'
import type { PendingItem } from './catalog.js'
import { keys } from './keys.js'
import { NO_ANSWER, type Plan } from './plan-commit.js'
import type { Transaction } from './transaction.js'

/** See `Catalog.setPendingError`. It is in no journal: a refusal comes again. */
export async function planPendingError(
  txn: Transaction,
  seq: number,
  error: ErrorData | undefined,
): Promise<Plan> {
  const item = await txn.get<PendingItem>(keys.pending(seq))
  if (!item) return { answer: NO_ANSWER }
  const { error: _, ...clean } = item
  txn.put(keys.pending(seq), error ? { ...clean, error } : clean)
  const row = await txn.get<VersionRow>(keys.version(item.versionId))
  if (row && (item.kind === 'version' || item.kind === 'upsert')) {
    const { error: __, ...version } = row
    const before = item.kind === 'version' ? 'pending' : 'open'
    txn.put(keys.version(row.id), {
      ...version,
      state: error ? 'failed' : before,
      ...(error && { error }),
    } satisfies VersionRow)
  }
  return { answer: NO_ANSWER }
}
