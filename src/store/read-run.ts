import { closeSync, fstatSync, openSync, read as readCallback } from 'node:fs'
import { promisify } from 'node:util'
import type { BlobKey } from '../model/blob-key.js'
import { packPath } from '../model/home.js'
import { recordLength } from '../pack/format.js'
import { readAt } from '../pack/read-at.js'
import type { BlobPlace } from './locate-blobs.js'
import { blobError } from './read-blob.js'

const readFile = promisify(readCallback)

/** Read at once, unless one record is longer. */
export const RUN_BYTES = 1024 * 1024
/** Records with less between them are read together: as long as a few small ones. */
const GAP_BYTES = 16 * 1024

export interface PackedBlob {
  key: BlobKey
  place: BlobPlace & { in: 'pack' }
}

/** A record of a run: where it lies in the bytes that were read. */
export interface RunRecord<Blob extends PackedBlob = PackedBlob> {
  blob: Blob
  start: number
  length: number
}

/** Records of one pack that are read together, by their offsets. */
export interface PackRun<Blob extends PackedBlob = PackedBlob> {
  packId: string
  offset: number
  length: number
  records: RunRecord<Blob>[]
}

/** Orders by pack and offset. */
export function comparePlaces({ place: a }: PackedBlob, { place: b }: PackedBlob): number {
  if (a.packId !== b.packId) return a.packId < b.packId ? -1 : 1
  return a.offset - b.offset
}

/** @param blobs see {@link comparePlaces}; the same may come twice. */
export function* planRuns<Blob extends PackedBlob>(
  blobs: Iterable<Blob>,
): Generator<PackRun<Blob>, void, undefined> {
  let run: PackRun<Blob> | undefined
  for (const blob of blobs) {
    const { packId, offset, storedLength } = blob.place
    const length = recordLength({ digest: blob.key.digest, storedLength })
    const start = run ? offset - run.offset : 0
    const fits = run?.packId === packId && start - run.length <= GAP_BYTES
    if (!run || !fits || start + length > RUN_BYTES) {
      if (run) yield run
      run = { packId, offset, length, records: [{ blob, start: 0, length }] }
    } else {
      run.length = Math.max(run.length, start + length)
      run.records.push({ blob, start, length })
    }
  }
  if (run) yield run
}

/** As {@link readRun}, into a buffer, and by synchronous calls: for a worker thread. */
export function readRunSync(home: string, run: PackRun, buffer: Buffer): Buffer {
  try {
    const fd = openSync(packPath(home, run.packId), 'r')
    try {
      const room = buffer.subarray(0, run.length)
      return room.subarray(0, readAt(fd, room, run.offset))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw blobError(error, run.records[0]!.blob.key)
  }
}

/**
 * The bytes of a run, in memory of their own; fewer only where the pack ends before.
 * @throws `BLOB_MISSING` when the pack is gone, `STORE_FAILED`.
 */
export async function readRun(home: string, run: PackRun): Promise<Buffer> {
  const { key } = run.records[0]!.blob
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
