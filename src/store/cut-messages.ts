import { type FolderCache, MAX_BATCH } from '../catalog/catalog.js'

/** Text of stat cache records in one call of the catalog. */
const MESSAGE_BYTES = 512 * 1024

/** Records by messages of about {@link MESSAGE_BYTES}, so that none holds up whoever encodes it. */
export function* cutMessages(folders: FolderCache[]): Generator<FolderCache[], void, undefined> {
  let some: FolderCache[] = []
  let bytes = 0
  for (const folder of folders) {
    some.push(folder)
    bytes += folder.record.length
    if (bytes < MESSAGE_BYTES && some.length < MAX_BATCH) continue
    yield some
    some = []
    bytes = 0
  }
  if (some.length > 0) yield some
}
