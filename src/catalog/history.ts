import type { History, RemoteMark } from './catalog.js'
import { keys } from './keys.js'
import type { JournalRecord } from './records.js'
import type { Database, Transaction } from './transaction.js'

/** An era of this store as a server: the numbers of its first journal record and, once over, its last. */
interface EraRow {
  from: number
  to?: number
}

/** How far the history of this store goes; undefined when it never was that of a server. */
export async function readHistory(db: Database): Promise<History | undefined> {
  const [era, seq] = await db.getMany([keys.era, keys.applied])
  return typeof era === 'string' ? { era, seq: seq as number } : undefined
}

/** See `Catalog.knows`. */
export async function knowsHistory(db: Database, { era, seq }: History): Promise<boolean> {
  const [row, applied] = await db.getMany([keys.eraRow(era), keys.applied])
  if (!row) return false
  const { from, to = applied as number } = row as EraRow
  return seq >= from && seq <= to
}

/** See `Catalog.findMark`. */
export async function findMark(db: Database, url: string): Promise<RemoteMark | null> {
  const storeId = (await db.get(keys.remote(url))) as string | undefined
  if (storeId === undefined) return null
  const history = (await db.get(keys.server(storeId))) as History | undefined
  return { storeId, ...(history && { history }) }
}

export async function applyEra(
  txn: Transaction,
  seq: number,
  { id }: JournalRecord & { t: 'era' },
): Promise<void> {
  await endEra(txn, seq)
  txn.put(keys.era, id)
  txn.put(keys.eraRow(id), { from: seq } satisfies EraRow)
}

/** Ends the era before the record with this number: from there on its history is another. */
export async function endEra(txn: Transaction, seq: number): Promise<void> {
  const era = await txn.get<string>(keys.era)
  if (era === undefined) return
  const row = await txn.get<EraRow>(keys.eraRow(era))
  txn.put(keys.eraRow(era), { from: row?.from ?? seq, to: seq - 1 } satisfies EraRow)
  txn.del(keys.era)
}

/** What a remote that answered `settle` is known by. */
export function putMark(
  txn: Transaction,
  { storeId, url, history }: Pick<JournalRecord & { t: 'settled' }, 'storeId' | 'url' | 'history'>,
): void {
  if (url !== undefined) txn.put(keys.remote(url), storeId)
  if (history) txn.put(keys.server(storeId), history)
}
