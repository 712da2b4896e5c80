import type { Location } from '../catalog/catalog.js'
import { decodeLocation } from '../catalog/keys.js'
import { decodeStored } from '../catalog/list-stored.js'
import { RECORD_HEADER_BYTES, RECORD_TRAILER_BYTES } from '../pack/format.js'
import { ROW_BYTES } from '../pack/index-record.js'
import { checkAborted } from './progress.js'
import type { Store } from './store.js'

/** Bytes before the digest of a key in the index. */
const KEY_PREFIX = 3

/** Something in the index of a store. */
export interface StoredKey {
  /** As the index has it. */
  key: Buffer
  location: Location
  /** Bytes that it takes on disk, its row in the index of its pack included. */
  bytes: number
}

/** Everything that the index of a store has, in pages. */
export async function* listStoredKeys(
  { catalog }: Store,
  { signal }: { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<StoredKey[], void, undefined> {
  let after: string | undefined
  do {
    checkAborted(signal)
    const page = await catalog.listStored(after)
    const keys: StoredKey[] = []
    for (const [key, value] of decodeStored(page.rows)) {
      const location = decodeLocation(value)
      keys.push({ key, location, bytes: sizeOnDisk(key, location) })
    }
    yield keys
    after = page.next
  } while (after !== undefined)
}

function sizeOnDisk(key: Buffer, location: Location): number {
  if (location.in === 'object') return location.size
  const digest = key.length - KEY_PREFIX
  const record = RECORD_HEADER_BYTES + digest + location.storedLength + RECORD_TRAILER_BYTES
  return record + ROW_BYTES + digest
}
