import { type CollectionName, NO_NUMBER } from '../model/version.js'
import type { CollectionRow, NumberRow, VersionRow } from './apply-record.js'
import type { DeletedVersion } from './changing.js'
import { keys } from './keys.js'
import type { Transaction } from './transaction.js'

/** What has a number: a version, or what is left of one. */
export type Numbered = CollectionName & Pick<VersionRow, 'id' | 'number' | 'type'>

/** Before a version takes another number. That it had this one is remembered. */
export async function leaveNumber(txn: Transaction, row: Numbered): Promise<void> {
  const key = keys.number(row, row.number)
  const old = await txn.get<NumberRow>(key)
  const other = old?.id !== row.id && { id: old?.id }
  txn.put(key, { ...other, was: row.id } satisfies NumberRow)
}

/** Gives a settled version its number; a provisional holder of it moves to the next free one. */
export async function placeNumber(txn: Transaction, row: Numbered): Promise<void> {
  const { number } = row
  const key = keys.number(row, number)
  const holder = await txn.get<NumberRow>(key)
  const collection = await txn.get<CollectionRow>(keys.collection(row))
  let next = Math.max(collection?.next ?? 0, number + 1)
  if (!holder?.id || holder.id === row.id) {
    txn.put(key, { ...holder, id: row.id } satisfies NumberRow)
  } else {
    const other = await txn.get<VersionRow>(keys.version(holder.id))
    if (!other && (await takeFromDeleted(txn, holder.id))) {
      txn.put(key, { ...holder, id: row.id } satisfies NumberRow)
      txn.put(keys.collection(row), { type: row.type, next } satisfies CollectionRow)
      return
    }
    // A settled holder has the same content under another id: the number stays with it.
    if (!other || other.settled) return
    txn.put(keys.version(other.id), { ...other, number: next } satisfies VersionRow)
    txn.put(keys.number(row, next), { id: other.id } satisfies NumberRow)
    txn.put(key, { id: row.id, was: other.id } satisfies NumberRow)
    next += 1
  }
  txn.put(keys.collection(row), { type: row.type, next } satisfies CollectionRow)
}

/** Takes a provisional number from a version that was deleted. False if that is not what has it. */
async function takeFromDeleted(txn: Transaction, id: string): Promise<boolean> {
  const row = await txn.get<DeletedVersion>(keys.deleted(id))
  if (!row || row.settled) return false
  txn.put(keys.deleted(id), { ...row, number: NO_NUMBER } satisfies DeletedVersion)
  return true
}
