import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ArtifactError, systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Digest, isDigest } from '../model/digest.js'
import { homePaths, objectPath, packPath } from '../model/home.js'
import type { IndexTable } from '../pack/index-record.js'
import { listPackRecords, readPackTable } from '../pack/read-pack-index.js'
import { MAX_BATCH } from './catalog.js'
import { type EncodedPlace, encodeRows } from './encode-rows.js'
import { encodeLocation, keys, locationKey } from './keys.js'
import { packPlaceName } from './remove-places.js'
import type { Database } from './transaction.js'

/**
 * Enters the records of one pack into the index, unsynced, in batches. Doing it again is harmless.
 * @param removed names of places that do not count.
 * @returns false when the pack is not there.
 */
export async function indexPack(
  db: Database,
  home: string,
  packId: string,
  removed: ReadonlySet<string> = new Set(),
): Promise<boolean> {
  if (await db.get(keys.pack(packId))) return true
  let batches: Iterable<EncodedPlace[]>
  try {
    const path = packPath(home, packId)
    // What is to be passed over is looked for record by record.
    const table = removed.size === 0 ? readPackTable(path) : null
    batches = table ? encodeTable(table, packId) : [encodeRecords(path, packId, removed)]
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
  let records = 0
  for (const places of batches) {
    await putPlaces(db, places)
    records += places.length
  }
  await db.put(keys.pack(packId), { records })
  return true
}

/** Some at a time, each batch when it is asked for. */
function* encodeTable({ body, starts }: IndexTable, packId: string): Generator<EncodedPlace[]> {
  for (let from = 0; from < starts.length; from += MAX_BATCH) {
    yield encodeRows({ body, starts: starts.slice(from, from + MAX_BATCH) }, packId)
  }
}

/** @param removed names of places that do not count. */
function encodeRecords(path: string, packId: string, removed: ReadonlySet<string>): EncodedPlace[] {
  return listPackRecords(path).records.flatMap(record => {
    const { key, encoding, offset, storedLength } = record
    const { size } = key
    const location = { in: 'pack' as const, packId, offset, storedLength, encoding, size }
    if (removed.size > 0 && removed.has(packPlaceName(location))) return []
    return [{ key: locationKey(key), value: encodeLocation(location) }]
  })
}

/** Enters objects. @throws `BLOB_MISSING` for one whose file is not there. */
export async function indexObjects(db: Database, home: string, objects: BlobKey[]): Promise<void> {
  const lost = objects.find(({ digest }) => !existsSync(objectPath(home, digest)))
  if (lost) throw new ArtifactError('BLOB_MISSING', `the object ${lost.digest} is not there`)
  const places = objects.map(key => {
    return { key: locationKey(key), value: encodeLocation({ in: 'object', size: key.size }) }
  })
  await putPlaces(db, places)
}

/**
 * Enters every pack and object that lies in the store: what a rebuild begins with. What a damaged
 * pack does not list is missing, and the rest of the store is not.
 * @param removed names of places in packs that do not count.
 */
export async function indexEverything(
  db: Database,
  home: string,
  removed: ReadonlySet<string>,
): Promise<void> {
  const { packs, objects } = homePaths(home)
  for (const folder of listFolder(packs)) {
    for (const name of listFolder(join(packs, folder))) {
      const packId = /^([0-9a-f]{16})\.pack$/.exec(name)?.[1]
      if (packId) await indexPack(db, home, packId, removed)
    }
  }
  for (const algorithm of listFolder(objects)) {
    for (const folder of listFolder(join(objects, algorithm))) {
      const path = join(objects, algorithm, folder)
      const found = listFolder(path)
        .map(hex => ({ digest: `${algorithm}:${hex}`, file: join(path, hex) }))
        .filter((object): object is { digest: Digest; file: string } => isDigest(object.digest))
      await indexObjects(
        db,
        home,
        found.map(({ digest, file }) => ({ kind: 'blob', digest, size: statSync(file).size })),
      )
    }
  }
}

async function putPlaces(db: Database, places: EncodedPlace[]): Promise<void> {
  for (let start = 0; start < places.length; start += MAX_BATCH) {
    await db.batch<Buffer, Buffer>(
      // With encodings of its own an operation is taken as it is: half the time of a batch.
      places.slice(start, start + MAX_BATCH).map(({ key, value }) => ({
        type: 'put',
        key,
        value,
        keyEncoding: 'buffer',
        valueEncoding: 'buffer',
      })),
      {},
    )
  }
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}
