import type { Piece } from '../model/entry.js'
import { keys } from './keys.js'
import type { Transaction } from './transaction.js'

/** Lets pieces vouch for their blobs, until bytes are removed and the epoch is another. */
export async function markComplete(txn: Transaction, pieces: Piece[]): Promise<void> {
  const epoch = await txn.get<string>(keys.epoch)
  for (const piece of pieces) txn.put(keys.complete(piece.digest), epoch)
}
