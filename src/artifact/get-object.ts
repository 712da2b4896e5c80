import { inspect } from 'node:util'
import { ArtifactError } from '../errors.js'
import { normalizeArtifactPath } from '../model/artifact-path.js'
import { parseDigest } from '../model/digest.js'
import type { Entry } from '../model/entry.js'
import { readParts } from '../store/read-parts.js'
import type { Store } from '../store/store.js'
import { openTable, type StoredObject } from '../table/open-table.js'
import { PartitionedTable, type TablePart } from '../table/partitioned-table.js'
import { Table } from '../table/table.js'

/** What can be added with `artifact.add`, and what `artifact.get` answers. */
export type ArtifactObject = Table | PartitionedTable

/** Of the names that W&B gives to the files of objects; a table's is the end of the other. */
const TABLE_SUFFIX = 'table.json'
const PARTITIONED_SUFFIX = 'partitioned-table.json'

/** Entries whose bytes are in a store. */
export interface StoredEntries {
  store: Store
  /** The entry with exactly this path. */
  find(path: string): Promise<Entry | undefined>
  /** Those below a folder, in path order. */
  list(folder: string): AsyncIterable<Entry>
}

/** @throws `TypeError`, which says what is taken and how other things are added. */
export function checkObject(object: unknown): asserts object is ArtifactObject {
  if (object instanceof Table || object instanceof PartitionedTable) return
  throw new TypeError(
    `add takes a Table or a PartitionedTable, not ${inspect(object, { depth: 0 })}: ` +
      'files are added with addFile, addDir and newFile, entries of a version with addReference',
  )
}

/** The path under which W&B keeps an object: with `.table.json`, say, unless it ends in that. */
export function objectPath(object: ArtifactObject, name: string): string {
  return suffixed(name, object instanceof Table ? TABLE_SUFFIX : PARTITIONED_SUFFIX)
}

function suffixed(name: string, suffix: string): string {
  const path = normalizeArtifactPath(name)
  return path.endsWith(suffix) ? path : `${path}.${suffix}`
}

/**
 * Reads an object by the name under which it was added, or the path of its file.
 * @throws `ENTRY_NOT_FOUND`; `INVALID_TABLE` when the file is no table; `REFERENCE_UNSUPPORTED` for
 *   one that is not in the artifact itself; `BLOB_MISSING`, `BLOB_DAMAGED`.
 */
export async function getObject(from: StoredEntries, name: string): Promise<ArtifactObject> {
  const paths = [suffixed(name, TABLE_SUFFIX), suffixed(name, PARTITIONED_SUFFIX)] as const
  const found = (await from.find(paths[0])) ?? (await from.find(paths[1]))
  if (!found) {
    const message = `there is no "${paths.join('" and no "')}"`
    throw new ArtifactError('ENTRY_NOT_FOUND', message, { details: { paths } })
  }
  const object = await openEntry(from.store, found)
  if ('table' in object) return object.table
  const folder = normalizeArtifactPath(object.partsPath)
  return new PartitionedTable(folder, () => openParts(from, folder))
}

/** Every table below a folder, as W&B takes it: in folders of it, too. */
async function* openParts(
  { store, list }: StoredEntries,
  folder: string,
): AsyncGenerator<TablePart, void, undefined> {
  for await (const entry of list(folder)) {
    const { path } = entry
    if (!path.endsWith(`.${TABLE_SUFFIX}`)) continue
    const object = await openEntry(store, entry)
    if (!('table' in object)) {
      const message = `"${path}" is no table but the path of the parts of one`
      throw new ArtifactError('INVALID_TABLE', message, { details: { path } })
    }
    yield { path, table: object.table }
  }
}

async function openEntry(store: Store, { path, ref, digest, size }: Entry): Promise<StoredObject> {
  if (ref !== undefined) {
    const message = `"${path}" is a reference: download it, and add the table itself`
    throw new ArtifactError('REFERENCE_UNSUPPORTED', message, { details: { path, uri: ref } })
  }
  const key = { kind: 'blob' as const, digest: parseDigest(digest), size }
  return openTable(() => readParts(store, key, path), path)
}
