import { closeSync, fstatSync, openSync, read as readCallback } from 'node:fs'
import { promisify } from 'node:util'
import type { BlobKey } from '../model/blob-key.js'
import { packPath } from '../model/home.js'
import { recordLength } from '../pack/format.js'
import type { BlobPlace } from './locate-blobs.js'
import { blobError } from './read-blob.js'

const readFile = promisify(readCallback)

/** Read at once, unless one record is longer. */
const RUN_BYTES = 1024 * 1024
/** Records with less between them are read together: as long as a few small ones. */
const GAP_BYTES = 16 * 1024

export interface PackedBlob {
  key: BlobKey
  place: BlobPlace & { in: 'pack' }
}

/** A record of a run: where it lies in the bytes that were read. */
export interface RunRecord extends PackedBlob {
  start: number
  length: number
}

/** Records of one pack that are read together, by their offsets. */
export interface PackRun {
  packId: string
  offset: number
  length: number
  records: RunRecord[]
}

/** @param blobs by pack and offset. */
export function* planRuns(blobs: Iterable<PackedBlob>): Generator<PackRun, void, undefined> {
  let run: PackRun | undefined
  for (const { key, place } of blobs) {
    const { packId, offset, storedLength } = place
    const length = recordLength({ digest: key.digest, storedLength })
    const start = run ? offset - run.offset : 0
    const gap = run ? start - run.length : 0
    const fits = run?.packId === packId && gap >= 0 && gap <= GAP_BYTES
    if (!run || !fits || start + length > RUN_BYTES) {
      if (run) yield run
      run = { packId, offset, length, records: [{ key, place, start: 0, length }] }
    } else {
      run.length = start + length
      run.records.push({ key, place, start, length })
    }
  }
  if (run) yield run
}

/**
 * The bytes of a run, in memory of their own; fewer only where the pack ends before.
 * @throws `BLOB_MISSING` when the pack is gone, `STORE_FAILED`.
 */
export async function readRun(home: string, run: PackRun): Promise<Buffer> {
  const { key } = run.records[0]!
  try {
    const fd = openSync(packPath(home, run.packId), 'r')
    try {
      const there = Math.max(0, fstatSync(fd).size - run.offset)
      const bytes = Buffer.allocUnsafeSlow(Math.min(run.length, there))
      let done = 0
      while (done < bytes.length) {
        const step = readFile(fd, bytes, done, bytes.length - done, run.offset + done)
        const { bytesRead } = await step
        if (bytesRead === 0) break
        done += bytesRead
      }
      return bytes.subarray(0, done)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw blobError(error, key)
  }
}
