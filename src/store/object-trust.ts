import {
  type BigIntStats,
  existsSync,
  fchmodSync,
  futimesSync,
  lstatSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ensureFolder, syncFolder } from '../disk/publish.js'
import { storeError, systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf, type Digest, hexOf, isDigest } from '../model/digest.js'
import { homePaths, objectPath } from '../model/home.js'

/** The mtime of every object, in seconds: 2001-09-09. No later write can leave it. */
const SEALED = 1_000_000_000
const SEALED_NS = BigInt(SEALED) * 1_000_000_000n

/** A write that follows another sooner than this may leave the same times (coarse clocks). */
const RACY_NS = 2_000_000_000n

/**
 * The last thing that is done to the file of an object before it is published: read-only, and with
 * the mtime by which {@link isTrusted} knows it again.
 */
export function sealObject(fd: number): void {
  fchmodSync(fd, 0o444)
  futimesSync(fd, SEALED, SEALED)
}

/** The file of an object, as far as it tells of writes; undefined when it is not there. */
export function statObject(home: string, digest: Digest): BigIntStats | undefined {
  return lstatSync(objectPath(home, digest), { bigint: true, throwIfNoEntry: false })
}

/**
 * Whether an object looks as it did when its bytes were last known to be right: when it was stored,
 * or, once it is exposed, when it was hashed after that. One that does not is hashed before use.
 */
export function isTrusted(home: string, { digest, size }: BlobKey): boolean {
  const stat = statObject(home, digest)
  if (!stat?.isFile() || stat.size !== BigInt(size)) return false
  const mark = exposedPath(home, digest)
  if (!existsSync(mark)) return stat.mtimeNs === SEALED_NS
  return readFileSync(mark, 'utf8') === formatStat(stat)
}

/**
 * Records that these objects can be changed from outside, durably, before anyone gets a link to
 * them. There is no way back: a link may live as long as the object.
 * @throws `STORE_FULL` or `STORE_FAILED`.
 */
export function exposeObjects(home: string, digests: Digest[]): void {
  const fresh = digests.map(digest => exposedPath(home, digest)).filter(mark => !existsSync(mark))
  if (fresh.length === 0) return
  const { exposed } = homePaths(home)
  try {
    ensureFolder(exposed)
    for (const mark of fresh) writeFileSync(mark, '', { flag: 'a', mode: 0o600 })
    syncFolder(exposed)
  } catch (error) {
    throw storeError(error, `writing ${exposed}`)
  }
}

/**
 * Remembers, of an exposed object, that it had the right bytes while its stat was this one. Losing
 * it costs one more hashing; so it is not flushed.
 * @param stat from before the first byte was read.
 */
export function noteHashed(home: string, digest: Digest, stat: BigIntStats): void {
  const mark = exposedPath(home, digest)
  if (!existsSync(mark)) return
  const after = statObject(home, digest)
  const isOld = BigInt(Date.now()) * 1_000_000n - stat.ctimeNs > RACY_NS
  if (!isOld || !after || formatStat(after) !== formatStat(stat)) return
  try {
    writeFileSync(mark, formatStat(stat), { mode: 0o600 })
  } catch (error) {
    // A store that may only be read hashes it every time.
    if (systemCode(error) === 'EROFS' || systemCode(error) === 'EACCES') return
    throw storeError(error, `writing ${mark}`)
  }
}

/** The exposed objects that are there, with the size of their files. */
export function listExposed(home: string): BlobKey[] {
  let names: string[]
  try {
    names = readdirSync(homePaths(home).exposed)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw storeError(error, 'listing exposed objects')
  }
  return names.flatMap(name => {
    const digest = name.replace('-', ':')
    const stat = isDigest(digest) ? statObject(home, digest) : undefined
    return stat ? { kind: 'blob', digest: digest as Digest, size: Number(stat.size) } : []
  })
}

function exposedPath(home: string, digest: Digest): string {
  return join(homePaths(home).exposed, `${algorithmOf(digest)}-${hexOf(digest)}`)
}

function formatStat({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}\n`
}
