import type { BigIntStats } from 'node:fs'
import { ArtifactError } from '../errors.js'
import { compareUtf8 } from '../model/artifact-path.js'
import { ALGORITHMS, type Algorithm, algorithmById } from '../model/digest.js'
import { joinNames, splitNames } from '../model/file-run.js'

/** Numbers kept of a file's stat: inode, mtime and ctime in nanoseconds. */
export const STATS_A_FILE = 3

/**
 * The files of one folder, column by column, in ascending order of their names in UTF-8. Columns
 * cross threads without a copy and take about 60 bytes a file besides its name.
 */
export interface FolderBlock {
  /** In UTF-8, each ended by a NUL. */
  names: Uint8Array
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
    names: joinNames(names),
    sizes: new Float64Array(names.length),
    stats: new BigUint64Array(names.length * STATS_A_FILE),
    digests: new Uint8Array(names.length * digestBytes),
    known: new Uint8Array(names.length),
  }
}

export function setStat({ sizes, stats }: FolderBlock, index: number, stat: BigIntStats): void {
  sizes[index] = Number(stat.size)
  stats[index * STATS_A_FILE] = stat.ino
  stats[index * STATS_A_FILE + 1] = stat.mtimeNs
  stats[index * STATS_A_FILE + 2] = stat.ctimeNs
}

/** Whether both times of a file are. */
export function isOlder({ stats }: FolderBlock, index: number, before: bigint): boolean {
  return stats[index * STATS_A_FILE + 1]! < before && stats[index * STATS_A_FILE + 2]! < before
}

/** The first rows of a block, under these names. */
export function cutBlock(block: FolderBlock, names: string[], digestBytes: number): FolderBlock {
  const count = names.length
  if (count === block.sizes.length) return block
  return {
    names: joinNames(names),
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

/** Record: version u8, algorithm u8, 0 0, count u32, epoch 8, device u64, columns, names with NUL ends. */
const RECORD_VERSION = 2
const HEAD_BYTES = 24

/**
 * One record of the stat cache: the files of a folder whose times are older than `before`, so that
 * a later write to any of them must change a time (git's racy-clean rule).
 */
export function encodeFolderRecord(
  block: FolderBlock,
  { algorithm, epoch, dev, before }: FolderRecordHead & { before: bigint },
): Buffer {
  const width = ALGORITHMS[algorithm].bytes
  const { names, sizes, stats, digests } = takeFiles(block, width, index => {
    return block.known[index] === 1 && isOlder(block, index, before)
  })
  const head = Buffer.alloc(HEAD_BYTES)
  head[0] = RECORD_VERSION
  head[1] = ALGORITHMS[algorithm].id
  head.writeUInt32LE(sizes.length, 4)
  head.write(epoch, 8, 'hex')
  head.writeBigUInt64LE(dev, 16)
  return Buffer.concat([head, bytesOf(sizes), bytesOf(stats), digests, names])
}

/** A record as it is looked up, in the order of its names. */
export interface FolderRecord extends FolderRecordHead {
  block: FolderBlock
}

/** Undefined for a record of another version of the program: it is made anew. */
export function decodeFolderRecord(bytes: Buffer): FolderRecord | undefined {
  if (bytes[0] !== RECORD_VERSION) return undefined
  const algorithm = algorithmById(bytes[1]!)
  const count = bytes.readUInt32LE(4)
  let at = HEAD_BYTES
  // A copy of its own, for columns must begin at multiples of what is in them.
  const take = (length: number) => {
    at += length
    return new Uint8Array(bytes.subarray(at - length, at)).buffer
  }
  const sizes = new Float64Array(take(count * 8))
  const stats = new BigUint64Array(take(count * STATS_A_FILE * 8))
  const digests = new Uint8Array(take(count * ALGORITHMS[algorithm].bytes))
  const names = new Uint8Array(bytes.subarray(at))
  let ends = 0
  for (let at = names.indexOf(0); at >= 0; at = names.indexOf(0, at + 1)) ends += 1
  if (ends !== count) {
    throw new ArtifactError('STORE_DAMAGED', 'a record of the stat cache is damaged')
  }
  const block = { names, sizes, stats, digests, known: new Uint8Array(count).fill(1) }
  return { algorithm, epoch: bytes.toString('hex', 8, 16), dev: bytes.readBigUInt64LE(16), block }
}

/** The files of a block for which `isTaken` holds. */
function takeFiles(
  block: FolderBlock,
  digestBytes: number,
  isTaken: (index: number) => boolean,
): FolderBlock {
  const taken = Array.from(block.sizes.keys()).filter(isTaken)
  if (taken.length === block.sizes.length) return block
  const names = splitNames(block.names)
  const some = createBlock(
    taken.map(index => names[index]!),
    digestBytes,
  )
  for (const [to, from] of taken.entries()) {
    some.sizes[to] = block.sizes[from]!
    some.known[to] = block.known[from]!
    some.stats.set(statsAt(block, from), to * STATS_A_FILE)
    some.digests.set(digestAt(block, from, digestBytes), to * digestBytes)
  }
  return some
}

/**
 * Takes over the digests of files that look as they did; both blocks are in the same order.
 * @param old what a record says of the same folder on the same device.
 */
export function fillKnown(block: FolderBlock, old: FolderBlock, digestBytes: number): void {
  if (isSameFolder(block, old)) {
    block.digests.set(old.digests)
    block.known.fill(1)
    return
  }
  const oldNames = splitNames(old.names)
  let at = 0
  for (const [index, name] of splitNames(block.names).entries()) {
    while (at < oldNames.length && compareUtf8(oldNames[at]!, name) < 0) at += 1
    if (oldNames[at] !== name || block.sizes[index] !== old.sizes[at]) continue
    if (!bytesOf(statsAt(block, index)).equals(bytesOf(statsAt(old, at)))) continue
    block.digests.set(digestAt(old, at, digestBytes), index * digestBytes)
    block.known[index] = 1
  }
}

/** Mostly nothing has changed, which a few calls of the engine find out. */
function isSameFolder(block: FolderBlock, old: FolderBlock): boolean {
  return (
    bytesOf(block.names).equals(bytesOf(old.names)) &&
    bytesOf(block.sizes).equals(bytesOf(old.sizes)) &&
    bytesOf(block.stats).equals(bytesOf(old.stats))
  )
}

function statsAt({ stats }: FolderBlock, index: number): BigUint64Array {
  return stats.subarray(index * STATS_A_FILE, (index + 1) * STATS_A_FILE)
}

function digestAt({ digests }: FolderBlock, index: number, digestBytes: number): Uint8Array {
  return digests.subarray(index * digestBytes, (index + 1) * digestBytes)
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
