import { closeSync, existsSync, fstatSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MAX_BATCH, type PlacedKey } from '../catalog/catalog.js'
import { ensureFolder, syncFolder } from '../disk/publish.js'
import { writeWhole } from '../disk/write-whole.js'
import { ArtifactError, isArtifactError, storeError, systemCode } from '../errors.js'
import { createHasher, hashBytes } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf, type Digest, hexOf } from '../model/digest.js'
import { homePaths, objectPath, packPath } from '../model/home.js'
import { recordLength } from '../pack/format.js'
import { readAt } from '../pack/read-at.js'
import { blobError, readBlob } from './read-blob.js'
import type { Store } from './store.js'

const READ_BYTES = 4 * 1024 * 1024

/**
 * Takes bytes of the store that did not verify out of use. Each is read once more, from a freshly
 * opened file; one that is wrong again is moved aside, below `damaged/`, and forgotten by the
 * catalog, so that the same content is stored anew when it comes again. So is one whose file is
 * gone. Nothing is deleted: an object is renamed, and of a pack the record is copied. Any number of
 * processes may do it at once with the same bytes.
 *
 * @returns those that were taken out; the others are whole, or were taken out already.
 * @throws `STORE_FAILED` for bytes that cannot be read, of which nothing is known: they stay.
 */
export async function quarantine(store: Store, places: PlacedKey[]): Promise<BlobKey[]> {
  const removed: PlacedKey[] = []
  let failure: ArtifactError | undefined
  for (const place of places) {
    try {
      if (await moveDamaged(store.home, place)) removed.push(place)
    } catch (error) {
      failure ??= storeError(error, `moving ${place.key.digest} aside`)
    }
  }
  for (let start = 0; start < removed.length; start += MAX_BATCH) {
    await store.catalog.remove({ places: removed.slice(start, start + MAX_BATCH) })
  }
  if (failure) throw failure
  return removed.map(({ key }) => key)
}

/** @returns whether the bytes are no longer to be found in that place. */
function moveDamaged(home: string, { key, location }: PlacedKey): boolean | Promise<boolean> {
  return location.in === 'pack'
    ? copyDamagedRecord(home, key, location)
    : moveDamagedObject(home, key)
}

async function copyDamagedRecord(
  home: string,
  key: BlobKey,
  location: PlacedKey['location'] & { in: 'pack' },
): Promise<boolean> {
  const path = packPath(home, location.packId)
  try {
    const bytes = readBlob(home, key, location)
    if (hashBytes(await createHasher(algorithmOf(key.digest)), bytes) === key.digest) return false
  } catch (error) {
    if (isArtifactError(error, 'BLOB_MISSING')) return isGone(path)
    if (!isArtifactError(error, 'BLOB_DAMAGED')) throw error
  }
  const { storedLength, offset } = location
  const bytes = Buffer.alloc(recordLength({ digest: key.digest, storedLength }))
  const pack = openSync(path, 'r')
  try {
    // A pack that was cut has less of it.
    const length = readAt(pack, bytes, offset)
    const copy = await reserveDamaged(home, key.digest)
    try {
      await writeWhole(copy.handle, bytes.subarray(0, length), 0)
      await copy.handle.sync()
    } finally {
      await copy.handle.close()
    }
    syncFolder(dirname(copy.path))
  } finally {
    closeSync(pack)
  }
  return true
}

async function moveDamagedObject(home: string, key: BlobKey): Promise<boolean> {
  const path = objectPath(home, key.digest)
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return isGone(path)
    throw error
  }
  try {
    if (await isWhole(fd, key)) return false
    const copy = await reserveDamaged(home, key.digest)
    await copy.handle.close()
    try {
      renameSync(path, copy.path)
    } catch (error) {
      rmSync(copy.path, { force: true })
      // Another process was faster.
      if (systemCode(error) === 'ENOENT') return true
      throw error
    }
    const isSame = statSync(copy.path).ino === fstatSync(fd).ino
    // A good one took its place meanwhile.
    if (!isSame) renameSync(copy.path, path)
    syncFolder(dirname(copy.path))
    syncFolder(dirname(path))
    return isSame
  } finally {
    closeSync(fd)
  }
}

async function isWhole(fd: number, key: BlobKey): Promise<boolean> {
  const hasher = await createHasher(algorithmOf(key.digest))
  hasher.init()
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  for (let at = 0; ; ) {
    let length: number
    try {
      length = readAt(fd, buffer, at)
    } catch (error) {
      throw blobError(error, key)
    }
    if (length === 0) return at === key.size && hasher.digest() === key.digest
    hasher.update(buffer.subarray(0, length))
    at += length
    // Other work of this process gets a turn.
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** False while another file may have to be waited for: a disk that is not mounted loses nothing. */
function isGone(path: string): boolean {
  const folder = dirname(path)
  if (existsSync(folder)) return true
  throw new ArtifactError(
    'STORE_FAILED',
    `${folder} is not there: mount or restore it, or make it if it is lost`,
    { details: { folder } },
  )
}

/** A new, empty file `damaged/<algorithm>-<hex>.<n>`. */
async function reserveDamaged(
  home: string,
  digest: Digest,
): Promise<{ path: string; handle: FileHandle }> {
  const { damaged } = homePaths(home)
  ensureFolder(damaged)
  for (let number = 0; ; number += 1) {
    const path = join(damaged, `${algorithmOf(digest)}-${hexOf(digest)}.${number}`)
    try {
      return { path, handle: await open(path, 'wx', 0o600) }
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
  }
}
