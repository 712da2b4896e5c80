import type { PendingItem } from './catalog.js'
import { keyRange, keys } from './keys.js'
import { NO_ANSWER, type Plan } from './plan-commit.js'
import type { JournalRecord } from './records.js'
import type { Transaction } from './transaction.js'

/** See `Changing.redirect`. */
export async function planRedirect(
  txn: Transaction,
  at: string,
  { from, to }: { from: string; to: string },
): Promise<Plan> {
  const items = await listPendingFor(txn, from)
  const answer = { ...NO_ANSWER, number: items.length }
  if (items.length === 0 || from === to) return { answer }
  return { record: { t: 'redirect', at, from, to }, answer }
}

export async function applyRedirect(
  txn: Transaction,
  { from, to }: JournalRecord & { t: 'redirect' },
): Promise<void> {
  for (const item of await listPendingFor(txn, from)) {
    txn.put(keys.pending(item.seq), { ...item, remote: to } satisfies PendingItem)
  }
}

async function listPendingFor(txn: Transaction, remote: string): Promise<PendingItem[]> {
  const items = await txn.list<PendingItem>(keyRange('pending'))
  return [...items.values()].filter(item => item.remote === remote)
}
