import { statSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Catalog } from '../catalog/catalog.js'
import { ALGORITHMS, type Algorithm, digestBytes, digestFromBytes } from '../model/digest.js'
import { readClock } from './file-clock.js'
import { type FileStat, LARGE_BYTES } from './file-ingester.js'
import {
  createBlock,
  decodeFolderRecord,
  encodeFolderRecord,
  type FolderBlock,
  fillKnown,
  isOlder,
  setStat,
} from './folder-block.js'
import type { StatRecord } from './put-stat-records.js'
import type { StoredFile } from './store-files.js'

const YOUNG_MS = 1000

export interface RecallOptions {
  catalog: Catalog
  algorithm: Algorithm
  /** See `readClock`. */
  folder: string
}

/** What the stat cache says of some files. */
export interface RecalledFiles {
  /** What the store has of a file that looks as it did. */
  find(file: string): StoredFile | undefined
  /** The record of a file that was read since, if it may be trusted. */
  remember(file: string, read: Pick<StoredFile, 'digest' | 'stat'>): StatRecord | undefined
}

interface SeenFile {
  dev: bigint
  /** Of this file alone, under the name ''. */
  block: FolderBlock
}

/**
 * Asks the stat cache about files that are added by themselves. Each has a record like that of a
 * folder, under its own path: that of the folder that it is in is never in its way.
 *
 * @param files absolute.
 */
export async function recallFiles(
  files: string[],
  { catalog, algorithm, folder }: RecallOptions,
): Promise<RecalledFiles> {
  const width = ALGORITHMS[algorithm].bytes
  const seen = new Map<string, SeenFile>()
  for (const file of files) {
    const found = lookAt(file, width)
    if (found) seen.set(file, found)
  }
  if (seen.size === 0) return { find: () => undefined, remember: () => undefined }
  // Calls of a catalog take effect in their order: the records are not older than the epoch.
  const state = catalog.describe()
  const asked = catalog.getFolders([...seen.keys()])
  const [{ epoch }, records] = await Promise.all([state, asked])
  for (const [index, { dev, block }] of [...seen.values()].entries()) {
    const text = records[index]
    const record = text ? decodeFolderRecord(Buffer.from(text, 'base64')) : undefined
    if (record?.epoch === epoch && record.dev === dev) fillKnown(block, record.block, width)
  }
  const isUnknown = [...seen.values()].some(({ block }) => block.known[0] === 0)
  const before = isUnknown ? readClock(folder) : undefined
  return {
    find: file => {
      const block = seen.get(file)?.block
      if (block?.known[0] !== 1) return undefined
      return {
        digest: digestFromBytes(algorithm, block.digests),
        stat: statOf(block),
        isNew: false,
      }
    },
    remember: (file, { digest, stat }) => {
      const found = seen.get(file)
      if (!found || !before || !isDeepStrictEqual(stat, statOf(found.block))) return undefined
      const { dev, block } = found
      block.digests.set(digestBytes(digest))
      block.known.fill(1)
      const head = { algorithm, epoch, dev, before: before(dev) }
      if (!isOlder(block, 0, head.before)) return undefined
      return { folder: file, record: encodeFolderRecord(block, head) }
    },
  }
}

/**
 * Undefined for what cannot be looked at, for whoever reads it is told why, and for a small file that
 * was written just now: programs log such ones in loops, and to ask takes longer than to read.
 */
function lookAt(file: string, width: number): SeenFile | undefined {
  try {
    const stat = statSync(file, { bigint: true })
    const isYoung = Date.now() - Number(stat.ctimeMs) < YOUNG_MS
    if (isYoung && stat.size < LARGE_BYTES) return undefined
    const block = createBlock([''], width)
    setStat(block, 0, stat)
    return { dev: stat.dev, block }
  } catch {
    return undefined
  }
}

function statOf({ sizes, stats }: FolderBlock): FileStat {
  const [ino, mtimeNs, ctimeNs] = Array.from(stats, String)
  return { size: sizes[0]!, mtimeNs: mtimeNs!, ctimeNs: ctimeNs!, ino: ino! }
}
