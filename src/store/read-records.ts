import { closeSync, openSync } from 'node:fs'
import { ArtifactError } from '../errors.js'
import type { Hasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { digestBytes } from '../model/digest.js'
import { packPath } from '../model/home.js'
import { recordLength } from '../pack/format.js'
import { readAt } from '../pack/read-at.js'
import { checkRecord, openRecord } from '../pack/read-record.js'
import type { PackPlace } from './pack-files.js'
import { blobError } from './read-blob.js'

/** Records that are read at once, with what lies between them, unless one alone is longer. */
const RUN_BYTES = 1024 * 1024

/** What lies between two records is read too if it is not more: that takes as long as a call. */
const GAP_BYTES = 64 * 1024

/** A blob that lies in a pack as it is. */
export interface PlainRecord {
  key: BlobKey
  place: PackPlace & { encoding: 0 }
}

/** Records of one pack, in the order in which they lie in it. */
interface Run<Item> {
  packId: string
  start: number
  end: number
  items: Item[]
}

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
  for (const run of groupRuns(items)) {
    const length = run.end - run.start
    if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(Math.max(length, RUN_BYTES))
    const there = readRun(home, run, buffer.subarray(0, length))
    for (const item of run.items) {
      const bytes = there instanceof Error ? there : verify(there, item, run, { hasher, checksums })
      if (bytes instanceof Error) lose(item, blobError(bytes, item.key))
      else use(item, bytes)
    }
  }
}

function groupRuns<Item extends PlainRecord>(items: Item[]): Run<Item>[] {
  const runs: Run<Item>[] = []
  const ordered = items.toSorted(({ place: a }, { place: b }) => {
    if (a.packId !== b.packId) return a.packId < b.packId ? -1 : 1
    return a.offset - b.offset
  })
  for (const item of ordered) {
    const { packId, offset, storedLength } = item.place
    const end = offset + recordLength({ digest: item.key.digest, storedLength })
    const last = runs.at(-1)
    const isNear = last?.packId === packId && offset - last.end <= GAP_BYTES
    if (last && isNear && end - last.start <= RUN_BYTES) {
      last.items.push(item)
      last.end = Math.max(last.end, end)
    } else {
      runs.push({ packId, start: offset, end, items: [item] })
    }
  }
  return runs
}

/** @returns what there is of the run, or why nothing can be read. */
function readRun(home: string, run: Run<PlainRecord>, buffer: Buffer): Buffer | Error {
  try {
    const fd = openSync(packPath(home, run.packId), 'r')
    try {
      return buffer.subarray(0, readAt(fd, buffer, run.start))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    return error as Error
  }
}

/** @returns the bytes of a blob, or what is wrong with its record. */
function verify(
  there: Buffer,
  { key, place }: PlainRecord,
  run: Run<PlainRecord>,
  { hasher, checksums }: { hasher: Hasher; checksums: boolean },
): Uint8Array | Error {
  const { offset, storedLength } = place
  const start = offset - run.start
  const record = there.subarray(start, start + recordLength({ ...key, storedLength }))
  try {
    const check = checksums ? checkRecord : openRecord
    const bytes = check(record, { key, ...place })
    hasher.init()
    hasher.update(bytes)
    if (digestBytes(key.digest).equals(hasher.rawDigest())) return bytes
    return new ArtifactError('BLOB_DAMAGED', `the bytes of ${key.digest} are not its own`, {
      details: { kind: key.kind, digest: key.digest },
    })
  } catch (error) {
    return error as Error
  }
}
