import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IHasher } from 'hash-wasm'
import { systemCode } from '../errors.js'
import { createCrc32c } from '../hash/crc32c.js'

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
 * Whether the files of a LevelDB are what was written, as far as LevelDB itself does not look: it
 * reads tables without their checksums, and passes over zeros in the middle of a write-ahead log,
 * which a power loss leaves where a page was not written. (LevelDB 1.20, doc/table_format.md and
 * doc/log_format.md.) Tables must not be compressed. 600 MB take a second.
 */
export async function isIndexWhole(folder: string): Promise<boolean> {
  // Without it LevelDB starts anew and yet takes in log files that are left of an older index.
  if (!existsSync(join(folder, 'CURRENT'))) return false
  const crc = await createCrc32c()
  for (const name of readdirSync(folder)) {
    const isTable = /^\d+\.(?:ldb|sst)$/.test(name)
    if (!isTable && !/^\d+\.log$|^MANIFEST-/.test(name)) continue
    let bytes: Buffer
    try {
      bytes = readFileSync(join(folder, name))
    } catch (error) {
      // Another process has it open, and will say so.
      if (systemCode(error) === 'ENOENT') continue
      throw error
    }
    if (!(isTable ? isTableWhole(bytes, crc) : isLogWhole(bytes))) return false
  }
  return true
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
  const masked = table.readUInt32LE(end + 1)
  // Stored checksums are rotated and shifted, since checksums of checksums are weak.
  const rotated = (masked - 0xa282ead8) >>> 0
  const stored = ((rotated >>> 17) | (rotated << 15)) >>> 0
  const found = crc
    .init()
    .update(table.subarray(offset, end + 1))
    .digest('binary')
  if (!isKnown || Buffer.from(found).readUInt32BE(0) !== stored) return undefined
  return table.subarray(offset, end)
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

/** A number in groups of seven bits, the lowest first. */
function readNumber(bytes: Buffer, at: number): [number, number] {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes.readUInt8(at++)
    value += (byte & 127) * scale
    if (byte < 128) return [value, at]
  }
}

/** Whether nothing follows zeros where a record should begin, but for the rest of a block. */
function isLogWhole(log: Buffer): boolean {
  for (let offset = 0; offset + LOG_HEADER_BYTES <= log.length; ) {
    const left = LOG_BLOCK_BYTES - (offset % LOG_BLOCK_BYTES)
    if (left < LOG_HEADER_BYTES) {
      offset += left
      continue
    }
    const length = log.readUInt16LE(offset + 4)
    if (length === 0 && log[offset + 6] === 0) return log.subarray(offset).every(byte => byte === 0)
    offset += LOG_HEADER_BYTES + length
  }
  return true
}
