import { type Catalog, MAX_BATCH } from '../catalog/catalog.js'
import { freeMemory } from '../hash/free-memory.js'
import { cutRuns } from './cut-runs.js'

/** A record of the stat cache, see `FolderCache`, as `encodeFolderRecord` made it. */
export interface StatRecord {
  folder: string
  record: Buffer
}

/** Records in one call of the catalog: none holds up whoever encodes it. */
const MESSAGE_LIMITS = {
  weigh: ({ record }: StatRecord) => record.length,
  most: 384 * 1024,
  count: MAX_BATCH,
}

/**
 * Enters records into the stat cache. They wait as bytes and become text here: as text, while the
 * packs for which they vouch are written, they would fill the heap. Their memory is given back.
 */
export async function putStatRecords(catalog: Catalog, records: StatRecord[]): Promise<void> {
  for (const some of cutRuns(records, MESSAGE_LIMITS)) {
    await catalog.putFolders(
      some.map(({ folder, record }) => ({ folder, record: record.toString('base64') })),
    )
    freeMemory(some.map(({ record }) => record))
  }
}
