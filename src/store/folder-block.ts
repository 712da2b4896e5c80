import { ArtifactError } from '../errors.js'
import { ALGORITHMS, type Algorithm, algorithmById } from '../model/digest.js'

/** Numbers kept of a file's stat: inode, mtime and ctime in nanoseconds. */
export const STATS_A_FILE = 3

/**
 * The files of one folder, column by column, in ascending order of their names in UTF-8. Columns
 * cross threads without a copy and take about 60 bytes a file besides its name.
 */
export interface FolderBlock {
  names: string[]
  sizes: Float64Array
  /** {@link STATS_A_FILE} numbers a file, as they were when it was hashed. */
  stats: BigUint64Array
  /** `ALGORITHMS[algorithm].bytes` bytes a file; zeros where it is not known yet. */
  digests: Uint8Array
  /** 1 where the digest is known. */
  known: Uint8Array
}

export function createBlock(names: string[], digestBytes: number): FolderBlock {
  return {
    names,
    sizes: new Float64Array(names.length),
    stats: new BigUint64Array(names.length * STATS_A_FILE),
    digests: new Uint8Array(names.length * digestBytes),
    known: new Uint8Array(names.length),
  }
}

/** The first rows of a block, under these names. */
export function cutBlock(block: FolderBlock, names: string[], digestBytes: number): FolderBlock {
  const count = names.length
  if (count === block.names.length) return { ...block, names }
  return {
    names,
    sizes: block.sizes.slice(0, count),
    stats: block.stats.slice(0, count * STATS_A_FILE),
    digests: block.digests.slice(0, count * digestBytes),
    known: block.known.slice(0, count),
  }
}

/** What one record of the stat cache says beside its files. */
export interface FolderRecordHead {
  algorithm: Algorithm
  /** The removal epoch of the store in which the digests were known to be there. */
  epoch: string
  dev: bigint
}

/** Record: version u8, algorithm u8, epoch 8, device u64, count u32, columns, names with NUL ends. */
const RECORD_VERSION = 1
const HEAD_BYTES = 22

/**
 * One record of the stat cache: the files of a folder whose times are older than `before`, so that
 * a later write to any of them must change a time (git's racy-clean rule).
 */
export function encodeFolderRecord(
  block: FolderBlock,
  { algorithm, epoch, dev, before }: FolderRecordHead & { before: bigint },
): Buffer {
  const width = ALGORITHMS[algorithm].bytes
  const kept: number[] = []
  for (let index = 0; index < block.names.length; index += 1) {
    const mtime = block.stats[index * STATS_A_FILE + 1]!
    const ctime = block.stats[index * STATS_A_FILE + 2]!
    if (block.known[index] === 1 && mtime < before && ctime < before) kept.push(index)
  }
  const names = Buffer.from(kept.map(index => `${block.names[index]}\0`).join(''), 'utf8')
  const row = 8 + STATS_A_FILE * 8 + width
  const bytes = Buffer.alloc(HEAD_BYTES + kept.length * row + names.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  bytes[0] = RECORD_VERSION
  bytes[1] = ALGORITHMS[algorithm].id
  bytes.write(epoch, 2, 'hex')
  bytes.writeBigUInt64LE(dev, 10)
  bytes.writeUInt32LE(kept.length, 18)
  let at = HEAD_BYTES
  for (const index of kept) {
    view.setFloat64(at, block.sizes[index]!, true)
    for (let stat = 0; stat < STATS_A_FILE; stat += 1) {
      view.setBigUint64(at + 8 + stat * 8, block.stats[index * STATS_A_FILE + stat]!, true)
    }
    at += row
    bytes.set(block.digests.subarray(index * width, (index + 1) * width), at - width)
  }
  names.copy(bytes, at)
  return bytes
}

/** A record as it is looked up by a scan, in the order of its names. */
export interface FolderRecord extends FolderRecordHead {
  block: FolderBlock
}

/** Undefined for a record of another version of the program: it is made anew. */
export function decodeFolderRecord(bytes: Buffer): FolderRecord | undefined {
  if (bytes[0] !== RECORD_VERSION) return undefined
  const algorithm = algorithmById(bytes[1]!)
  const width = ALGORITHMS[algorithm].bytes
  const count = bytes.readUInt32LE(18)
  const row = 8 + STATS_A_FILE * 8 + width
  const end = HEAD_BYTES + count * row
  const names = bytes.toString('utf8', end).split('\0')
  names.pop()
  if (names.length !== count) {
    throw new ArtifactError('STORE_DAMAGED', 'a record of the stat cache is damaged')
  }
  const block = createBlock(names, width)
  block.known.fill(1)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let index = 0, at = HEAD_BYTES; index < count; index += 1, at += row) {
    block.sizes[index] = view.getFloat64(at, true)
    for (let stat = 0; stat < STATS_A_FILE; stat += 1) {
      block.stats[index * STATS_A_FILE + stat] = view.getBigUint64(at + 8 + stat * 8, true)
    }
    block.digests.set(bytes.subarray(at + row - width, at + row), index * width)
  }
  const dev = bytes.readBigUInt64LE(10)
  return { algorithm, epoch: bytes.toString('hex', 2, 10), dev, block }
}
