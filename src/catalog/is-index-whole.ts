import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IHasher } from 'hash-wasm'
import { systemCode } from '../errors.js'
import { createCrc32c } from '../hash/crc32c.js'
import { type LogRecord, listLiveTables, readNumber } from './list-live-tables.js'

/** Where a table ends: two block handles, padded, and the magic number. */
const FOOTER_BYTES = 48
const MAGIC = Buffer.from('57fb808b247547db', 'hex')
/** A write-ahead log is cut into blocks, and a record in it has a header of 7 bytes. */
const LOG_BLOCK_BYTES = 32_768
const LOG_HEADER_BYTES = 7

interface Handle {
  offset: number
  size: number
}

/**
 * Whether the files of a LevelDB are what was written, as far as LevelDB itself does not tell: it
 * reads tables without their checksums, it skips what is damaged in a log and says so only in a file
 * that every other process which tries to open it replaces, and it passes over zeros in silence,
 * which a power loss leaves where a page was not written. A log that ends too soon is whole: it is
 * that of an earlier time. (LevelDB 1.20, doc/table_format.md and doc/log_format.md.) Tables must not
 * be compressed. 600 MB take a second.
 */
export async function isIndexWhole(folder: string): Promise<boolean> {
  const crc = await createCrc32c()
  const live = findLive(folder, crc)
  if (!live) return false
  for (const name of readdirSync(folder)) {
    const table = /^(\d+)\.(?:ldb|sst)$/.exec(name)
    // One that is left of a process that ended while it was made counts for nothing.
    if (table ? !live.has(Number(table[1])) : !/^\d+\.log$|^MANIFEST-/.test(name)) continue
    const bytes = readIfThere(join(folder, name))
    // Another process has it open, and will say so.
    if (!bytes) continue
    if (!(table ? isTableWhole(bytes, crc) : readLog(bytes, crc))) return false
  }
  return true
}

/** The tables that count; undefined where that cannot be told. */
function findLive(folder: string, crc: IHasher): Set<number> | undefined {
  // Without CURRENT LevelDB starts anew and yet takes in log files that are left of an older index.
  const [name] = /^MANIFEST-\d+(?=\n$)/.exec(String(readIfThere(join(folder, 'CURRENT')))) ?? []
  const manifest = name === undefined ? undefined : readIfThere(join(folder, name))
  const records = manifest && readLog(manifest, crc)
  try {
    return records && listLiveTables(records)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function isTableWhole(table: Buffer, crc: IHasher): boolean {
  try {
    const footer = table.subarray(-FOOTER_BYTES)
    if (!footer.subarray(-8).equals(MAGIC)) return false
    const [meta, afterMeta] = readHandle(footer, 0)
    const [index] = readHandle(footer, afterMeta)
    const blocks = [meta, index].map(handle => readBlock(table, handle, crc))
    return blocks.every(block => {
      return block && listHandles(block).every(handle => readBlock(table, handle, crc))
    })
  } catch (error) {
    // A number that leads out of the file.
    if (error instanceof RangeError) return false
    throw error
  }
}

/** After it are its type, 0 if it is not compressed, and its checksum. Undefined for a bad one. */
function readBlock(table: Buffer, { offset, size }: Handle, crc: IHasher): Buffer | undefined {
  const end = offset + size
  const isKnown = table.readUInt8(end) === 0
  const stored = table.readUInt32LE(end + 1)
  const block = table.subarray(offset, end)
  return isKnown && hasChecksum(table.subarray(offset, end + 1), stored, crc) ? block : undefined
}

/** @param masked rotated and shifted, since checksums of checksums are weak. */
function hasChecksum(bytes: Buffer, masked: number, crc: IHasher): boolean {
  const rotated = (masked - 0xa282ead8) >>> 0
  const stored = ((rotated >>> 17) | (rotated << 15)) >>> 0
  return Buffer.from(crc.init().update(bytes).digest('binary')).readUInt32BE(0) === stored
}

/** The values of an index block are handles; its keys, of which the starts are shared, are not. */
function listHandles(block: Buffer): Handle[] {
  const restarts = block.readUInt32LE(block.length - 4)
  const end = block.length - 4 - restarts * 4
  const handles: Handle[] = []
  for (let offset = 0; offset < end; ) {
    const [, afterShared] = readNumber(block, offset)
    const [keyBytes, afterKey] = readNumber(block, afterShared)
    const [valueBytes, start] = readNumber(block, afterKey)
    handles.push(readHandle(block, start + keyBytes)[0])
    offset = start + keyBytes + valueBytes
  }
  return handles
}

function readHandle(bytes: Buffer, at: number): [Handle, number] {
  const [offset, afterOffset] = readNumber(bytes, at)
  const [size, end] = readNumber(bytes, afterOffset)
  return [{ offset, size }, end]
}

/** The records of a log, each with its checksum, length and type before it; undefined if one is bad. */
function readLog(log: Buffer, crc: IHasher): LogRecord[] | undefined {
  const records: LogRecord[] = []
  for (let offset = 0; offset + LOG_HEADER_BYTES <= log.length; ) {
    const left = LOG_BLOCK_BYTES - (offset % LOG_BLOCK_BYTES)
    if (left < LOG_HEADER_BYTES) {
      offset += left
      continue
    }
    const length = log.readUInt16LE(offset + 4)
    const type = log.readUInt8(offset + 6)
    if (length === 0 && type === 0) {
      return log.subarray(offset).every(byte => byte === 0) ? records : undefined
    }
    const end = offset + LOG_HEADER_BYTES + length
    if (end > log.length) return records
    if (end > offset + left) return undefined
    const record = log.subarray(offset + LOG_HEADER_BYTES - 1, end)
    if (!hasChecksum(record, log.readUInt32LE(offset), crc)) return undefined
    records.push({ type, bytes: record.subarray(1) })
    offset = end
  }
  return records
}
