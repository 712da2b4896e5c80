import { putEdge } from './put-edge.js'
import { putPending } from './put-pending.js'
import type { JournalRecord } from './records.js'
import type { Transaction } from './transaction.js'

export function applyUse(
  txn: Transaction,
  seq: number,
  record: JournalRecord & { t: 'use' },
): void {
  const { run, version, target } = record
  putEdge(txn, { role: 'input', run, version })
  if (target) putPending(txn, seq, 'use', version, { ...record, aliases: [] })
}
