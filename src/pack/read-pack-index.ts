import { closeSync, fstatSync, openSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { ArtifactError, isArtifactError } from '../errors.js'
import {
  decodePackHeader,
  decodeRecordHeader,
  PACK_HEADER_BYTES,
  type PackedRecord,
  type PackHeader,
  packError,
  RECORD_HEADER_BYTES,
} from './format.js'
import {
  checkIndexRows,
  decodeFooter,
  decodeIndexRows,
  FOOTER_BYTES,
  INDEX_RECORD_BYTES,
  type IndexTable,
  sortRecords,
} from './index-record.js'
import { readAt } from './read-at.js'
import { scanRecords } from './scan-records.js'

/** Read from the end at first: it holds the index of about 5,900 records. */
const TAIL_BYTES = 256 << 10

export interface PackIndex extends PackHeader {
  /** By kind, algorithm and digest bytes. */
  records: PackedRecord[]
  /** False if the pack was cut or damaged, so that records may be missing from the list. */
  complete: boolean
}

/**
 * Lists the records of a stored pack: from its index, which one read brings in (two if it has more
 * than some thousands of rows), or, where index or footer are damaged or not there, by reading
 * all records up to the first bad one. The stored bytes are checked only in the second case.
 *
 * @throws `PACK_INVALID` if the pack's header is cut or damaged, `STORE_UNSUPPORTED` if a newer
 *   artifactd wrote it; both name `path`. Errors of the file system (`ENOENT`) come as they are.
 */
export function readPackIndex(path: string): PackIndex {
  const fd = openSync(path, 'r')
  try {
    const header = readHeader(fd, path)
    const { indexed: _, ...list } = listRecords(fd)
    return { ...header, ...list }
  } finally {
    closeSync(fd)
  }
}

/**
 * As `readPackIndex`, but reads on behind a damaged header: no record depends on what it says.
 * `sound` tells that header and index are whole.
 */
export function listPackRecords(
  path: string,
): Pick<PackIndex, 'records' | 'complete'> & { sound: boolean } {
  const fd = openSync(path, 'r')
  try {
    const hasHeader = isHeaderSound(fd, path)
    const { indexed, ...list } = listRecords(fd)
    return { ...list, sound: hasHeader && indexed }
  } finally {
    closeSync(fd)
  }
}

/** The index of a stored pack as it is; null if anything about it is in doubt. */
export function readPackTable(path: string): IndexTable | null {
  const fd = openSync(path, 'r')
  try {
    return readIndex(fd, fstatSync(fd).size)
  } finally {
    closeSync(fd)
  }
}

function isHeaderSound(fd: number, path: string): boolean {
  try {
    readHeader(fd, path)
    return true
  } catch (error) {
    if (isArtifactError(error, 'PACK_INVALID')) return false
    throw error
  }
}

function listRecords(fd: number) {
  const { size } = fstatSync(fd)
  const table = readIndex(fd, size)
  if (table) return { records: decodeIndexRows(table), complete: true, indexed: true }
  const { records, complete } = scanRecords(fd, size)
  return { records: sortRecords(records), complete, indexed: false }
}

function readHeader(fd: number, path: string): PackHeader {
  const bytes = Buffer.alloc(PACK_HEADER_BYTES)
  const length = readAt(fd, bytes, 0)
  try {
    return decodePackHeader(bytes.subarray(0, length))
  } catch (error) {
    if (!isArtifactError(error)) throw error
    const details = { ...error.details, path }
    throw new ArtifactError(error.code, `${path}: ${error.message}`, { cause: error, details })
  }
}

/** The rows of the index, or null if anything about it is in doubt. */
function readIndex(fd: number, size: number): IndexTable | null {
  try {
    const tail = readRange(fd, Math.max(0, size - TAIL_BYTES), size)
    const footer = decodeFooter(tail.subarray(-FOOTER_BYTES))
    const end = size - FOOTER_BYTES
    if (footer === null || footer.offset + INDEX_RECORD_BYTES > end) return null
    const { offset, count } = footer
    const start = size - tail.length
    const missing = offset < start ? readRange(fd, offset, start) : null
    const record = missing
      ? Buffer.concat([missing, tail.subarray(0, -FOOTER_BYTES)])
      : tail.subarray(offset - start, -FOOTER_BYTES)

    const header = decodeRecordHeader(record, offset)
    const body = record.subarray(RECORD_HEADER_BYTES, -4)
    if (header.kind !== 'index' || header.storedLength !== body.length) return null
    if (record.readUInt32LE(record.length - 4) !== crc32(body)) return null
    const table = checkIndexRows(body, offset)
    return table.starts.length === count ? table : null
  } catch (error) {
    if (isArtifactError(error, 'PACK_INVALID')) return null
    throw error
  }
}

function readRange(fd: number, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start)
  if (readAt(fd, bytes, start) < bytes.length) throw packError('the file became shorter', start)
  return bytes
}
