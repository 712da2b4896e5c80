import { existsSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { objectPath } from '../model/home.js'
import type { PlacedKey } from './catalog.js'
import type { Transaction } from './transaction.js'

/** Those of the places that the index holds and that `Catalog.remove` may forget. */
export async function listRemovable(
  txn: Transaction,
  home: string,
  places: PlacedKey[],
): Promise<PlacedKey[]> {
  const held = await txn.locate(places.map(({ key }) => key))
  return places.filter(({ key, location }, index) => {
    if (!isDeepStrictEqual(held[index], location)) return false
    return location.in === 'pack' || !existsSync(objectPath(home, key.digest))
  })
}

/** One string for a record of a pack. */
export function packPlaceName({ packId, offset }: { packId: string; offset: number }): string {
  return `${packId}/${offset}`
}
