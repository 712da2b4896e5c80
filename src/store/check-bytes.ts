import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Location } from '../catalog/catalog.js'
import { isArtifactError, storeError, systemCode } from '../errors.js'
import type { HasherSet } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf, type Digest } from '../model/digest.js'
import { type PackedRecord, recordLength } from '../pack/format.js'
import { readAt } from '../pack/read-at.js'
import { listPackRecords } from '../pack/read-pack-index.js'
import { checkRecord } from '../pack/read-record.js'
import { isStoredRight } from './check-stored.js'

const READ_BYTES = 8 * 1024 * 1024

/** One file of a store to be hashed; `path` is relative to the home. */
export type CheckTask =
  | { do: 'pack'; path: string; packId: string }
  | { do: 'object'; path: string; digest: Digest; size: number }

export interface CheckedFile {
  records: number
  /** Bytes that are not what they are stored as. */
  damaged: { key: BlobKey; location: Location; message: string }[]
  /** Of a pack: its header and index are whole. */
  sound: boolean
}

export interface CheckContext {
  home: string
  hashers: HasherSet
  /** Counts the bytes that were read, for whoever watches. */
  done: BigInt64Array
}

/**
 * Hashes every record of a pack, or an object, reading the file from its start to its end.
 * @throws `STORE_FAILED` when it cannot be read.
 */
export async function checkBytes(context: CheckContext, task: CheckTask): Promise<CheckedFile> {
  const file = join(context.home, task.path)
  try {
    return task.do === 'pack'
      ? await checkPack(context, file, task.packId)
      : await checkObject(context, file, task)
  } catch (error) {
    // It was moved aside since the files were listed.
    if (systemCode(error) === 'ENOENT') return { records: 0, damaged: [], sound: true }
    throw storeError(error, `reading ${file}`)
  }
}

async function checkPack(
  { done }: CheckContext,
  file: string,
  packId: string,
): Promise<CheckedFile> {
  const { records, sound } = listPackRecords(file)
  const damaged: CheckedFile['damaged'] = []
  const fd = openSync(file, 'r')
  try {
    const window = new Window(fd, done)
    for (const record of records.sort((a, b) => a.offset - b.offset)) {
      const { key, ...place } = record
      const message = await explainDamage(window, record)
      if (message === undefined) continue
      damaged.push({ key, location: { in: 'pack', packId, ...place, size: key.size }, message })
    }
  } finally {
    closeSync(fd)
  }
  return { records: records.length, damaged, sound }
}

async function explainDamage(window: Window, record: PackedRecord): Promise<string | undefined> {
  const { key, offset, storedLength } = record
  const length = recordLength({ digest: key.digest, storedLength })
  const bytes = window.read(offset, length)
  if (bytes.length < length) return `${key.kind} ${key.digest}: its pack ends before it`
  try {
    const stored = checkRecord(bytes, record)
    if (await isStoredRight(key, stored, record.encoding)) return undefined
    return `${key.kind} ${key.digest} has other bytes`
  } catch (error) {
    if (isArtifactError(error, 'BLOB_DAMAGED')) return error.message
    throw error
  }
}

async function checkObject(
  { hashers, done }: CheckContext,
  file: string,
  { digest, size }: CheckTask & { do: 'object' },
): Promise<CheckedFile> {
  const hasher = await hashers.get(algorithmOf(digest))
  hasher.init()
  const fd = openSync(file, 'r')
  try {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    for (let at = 0; ; ) {
      const length = readAt(fd, buffer, at)
      if (length === 0) break
      hasher.update(buffer.subarray(0, length))
      Atomics.add(done, 0, BigInt(length))
      at += length
    }
  } finally {
    closeSync(fd)
  }
  const isRight = hasher.digest() === digest
  const message = `the object ${digest} has other bytes`
  const key: BlobKey = { kind: 'blob', digest, size }
  const damaged = isRight ? [] : [{ key, location: { in: 'object' as const, size }, message }]
  return { records: 1, damaged, sound: true }
}

/** A file that is read forwards, many records at a time. */
class Window {
  readonly #fd: number
  readonly #done: BigInt64Array
  #bytes = Buffer.allocUnsafeSlow(READ_BYTES)
  #start = 0
  #length = 0

  constructor(fd: number, done: BigInt64Array) {
    this.#fd = fd
    this.#done = done
  }

  /** Good until the next call; shorter only where the file ends. */
  read(at: number, length: number): Buffer {
    if (at < this.#start || at + length > this.#start + this.#length) {
      if (length > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(length)
      const known = this.#start + this.#length
      this.#start = at
      this.#length = readAt(this.#fd, this.#bytes, at)
      Atomics.add(this.#done, 0, BigInt(Math.max(0, at + this.#length - Math.max(known, at))))
    }
    const from = at - this.#start
    return this.#bytes.subarray(from, Math.min(from + length, this.#length))
  }
}
