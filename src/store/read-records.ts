import { ArtifactError } from '../errors.js'
import type { Hasher } from '../hash/hasher.js'
import { digestBytes } from '../model/digest.js'
import { checkRecord, openRecord } from '../pack/read-record.js'
import { blobError } from './read-blob.js'
import {
  comparePlaces,
  type PackedBlob,
  planRuns,
  RUN_BYTES,
  type RunRecord,
  readRunSync,
} from './read-run.js'

/** A blob that lies in a pack as it is. */
export type PlainRecord = PackedBlob & { place: { encoding: 0 } }

/** What is to be done with records. */
export interface RecordUse<Item> {
  /** Also verify the checksums of their bytes, which say whether the records are sound. */
  checksums: boolean
  /** Is given bytes that are valid until it returns. What it throws ends all. */
  use(item: Item, bytes: Uint8Array): void
  /** Is told of each that is damaged or gone, with `BLOB_DAMAGED` or `BLOB_MISSING`. */
  lose(item: Item, error: ArtifactError): void
}

/**
 * Reads blobs in the order in which they lie on the disk, many with one call, and hands each on once
 * its digest was verified.
 *
 * @param hasher of the algorithm of all of them.
 */
export function readRecords<Item extends PlainRecord>(
  home: string,
  items: Item[],
  { hasher, checksums, use, lose }: RecordUse<Item> & { hasher: Hasher },
): void {
  let buffer = Buffer.alloc(0)
  for (const run of planRuns(items.toSorted(comparePlaces))) {
    const length = Math.max(run.length, RUN_BYTES)
    if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(length)
    const there = attempt(() => readRunSync(home, run, buffer))
    for (const record of run.records) {
      const bytes =
        there instanceof Error ? there : attempt(() => verify(there, record, { hasher, checksums }))
      if (bytes instanceof Error) lose(record.blob, blobError(bytes, record.blob.key))
      else use(record.blob, bytes)
    }
  }
}

function attempt<T>(work: () => T): T | Error {
  try {
    return work()
  } catch (error) {
    return error as Error
  }
}

/** The bytes of a blob. @throws `BLOB_DAMAGED` */
function verify(
  run: Buffer,
  { blob: { key, place }, start, length }: RunRecord,
  { hasher, checksums }: { hasher: Hasher; checksums: boolean },
): Uint8Array {
  const open = checksums ? checkRecord : openRecord
  const bytes = open(run.subarray(start, start + length), { key, ...place })
  hasher.init()
  hasher.update(bytes)
  if (digestBytes(key.digest).equals(hasher.rawDigest())) return bytes
  throw new ArtifactError('BLOB_DAMAGED', `the bytes of ${key.digest} are not its own`, {
    details: { kind: key.kind, digest: key.digest },
  })
}
