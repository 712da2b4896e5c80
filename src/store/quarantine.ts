import { closeSync, existsSync, fstatSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { MAX_BATCH, type PlacedKey } from '../catalog/catalog.js'
import { listPages } from '../catalog/list-pages.js'
import { isReadOnly } from '../disk/check-writable.js'
import { ensureFolder, syncFolder } from '../disk/publish.js'
import { writeWhole } from '../disk/write-whole.js'
import { ArtifactError, isArtifactError, storeError, systemCode } from '../errors.js'
import { withHasher } from '../hash/hasher.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { algorithmOf, type Digest, hexOf } from '../model/digest.js'
import { homePaths, objectPath, packPath } from '../model/home.js'
import { recordLength } from '../pack/format.js'
import { readAt } from '../pack/read-at.js'
import { isStoredRight } from './check-stored.js'
import { locateBlobs } from './locate-blobs.js'
import { listChunks, type RecipePlace } from './read-chunks.js'
import { readStored } from './read-sound.js'
import type { Store } from './store.js'

const READ_BYTES = 4 * 1024 * 1024

/**
 * Takes bytes of the store that did not verify out of use. Each is read once more, from a freshly
 * opened file; one that is wrong again is moved aside, below `damaged/`, and forgotten by the
 * catalog, so that the same content is stored anew when it comes again. So is one whose file is
 * gone, and with a pack that is gone everything that was in it. Nothing is deleted: an object is
 * renamed, and of a pack the record is copied. Any number of processes may do it at once with the
 * same bytes. In a store that this process may only read nothing is done.
 *
 * @returns those that were taken out; the others are whole, or were taken out already.
 * @throws `STORE_FAILED` for bytes that cannot be read, of which nothing is known: they stay.
 */
export async function quarantine(store: Store, places: PlacedKey[]): Promise<BlobKey[]> {
  if (isReadOnly(store.home)) return []
  const removed: PlacedKey[] = []
  const gonePacks = new Set<string>()
  let failure: ArtifactError | undefined
  const distinct = new Map(places.map(place => [blobKeyString(place.key), place]))
  for (const place of distinct.values()) {
    try {
      const state = await moveDamaged(store.home, place)
      if (state !== 'whole') removed.push(place)
      if (state === 'gone' && place.location.in === 'pack') gonePacks.add(place.location.packId)
    } catch (error) {
      failure ??= storeError(error, `moving ${place.key.digest} aside`)
    }
  }
  for (let start = 0; start < removed.length; start += MAX_BATCH) {
    await store.catalog.remove({ places: removed.slice(start, start + MAX_BATCH) })
  }
  for (const packId of gonePacks) await forgetPack(store, packId)
  if (failure) throw failure
  return removed.map(({ key }) => key)
}

async function forgetPack({ catalog }: Store, packId: string): Promise<void> {
  for await (const places of listPages(after => catalog.listPacked(packId, after))) {
    if (places.length > 0) await catalog.remove({ places })
  }
}

/**
 * As `quarantine`, in whichever places of the store the keys have now. Of a blob in chunks it does so
 * with recipe and chunks, and forgets the recipe if they are not all here any more.
 */
export async function quarantineKeys(store: Store, keys: BlobKey[]): Promise<BlobKey[]> {
  const places = await locateBlobs(store, keys, { external: false })
  const stored: PlacedKey[] = []
  const removed: BlobKey[] = []
  for (const [index, key] of keys.entries()) {
    const place = places[index]
    if (place?.in === 'recipe') {
      if (await quarantineChunks(store, key, place)) removed.push(key)
    } else if (place && place.in !== 'external') stored.push({ key, location: place })
  }
  return [...removed, ...(await quarantine(store, stored))]
}

/** @returns whether the blob is not here any more. */
async function quarantineChunks(store: Store, key: BlobKey, place: RecipePlace): Promise<boolean> {
  if (isReadOnly(store.home)) return false
  const recipe: PlacedKey = { key: { ...key, kind: 'recipe' }, location: { ...place, in: 'pack' } }
  await quarantine(store, [recipe, ...((await listChunks(store, key, place)) ?? [])])
  if (await listChunks(store, key, place)) return false
  await store.catalog.remove({ places: [recipe] })
  return true
}

/** What was found in a place, from which what is damaged was then moved, if it is an object. */
type Found = 'whole' | 'damaged' | 'gone'

function moveDamaged(home: string, { key, location }: PlacedKey): Promise<Found> {
  return location.in === 'pack'
    ? copyDamagedRecord(home, key, location)
    : moveDamagedObject(home, key)
}

async function copyDamagedRecord(
  home: string,
  key: BlobKey,
  location: PlacedKey['location'] & { in: 'pack' },
): Promise<Found> {
  const path = packPath(home, location.packId)
  try {
    const { bytes, encoding } = readStored(home, { key, location })
    if (await isStoredRight(key, bytes, encoding)) return 'whole'
  } catch (error) {
    if (isArtifactError(error, 'BLOB_MISSING')) return checkGone(path)
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
  return 'damaged'
}

async function moveDamagedObject(home: string, key: BlobKey): Promise<Found> {
  const path = objectPath(home, key.digest)
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return checkGone(path)
    throw error
  }
  try {
    if (await isWhole(fd, key)) return 'whole'
    const copy = await reserveDamaged(home, key.digest)
    await copy.handle.close()
    try {
      renameSync(path, copy.path)
    } catch (error) {
      rmSync(copy.path, { force: true })
      // Another process was faster.
      if (systemCode(error) === 'ENOENT') return 'gone'
      throw error
    }
    const isSame = statSync(copy.path).ino === fstatSync(fd).ino
    // A good one took its place meanwhile.
    if (!isSame) renameSync(copy.path, path)
    syncFolder(dirname(copy.path))
    syncFolder(dirname(path))
    return isSame ? 'damaged' : 'whole'
  } finally {
    closeSync(fd)
  }
}

function isWhole(fd: number, key: BlobKey): Promise<boolean> {
  return withHasher(algorithmOf(key.digest), async hasher => {
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    for (let at = 0; ; ) {
      const length = readAt(fd, buffer, at)
      if (length === 0) return at === key.size && hasher.digest() === key.digest
      hasher.update(buffer.subarray(0, length))
      at += length
      await yieldToLoop()
    }
  })
}

/** @throws `STORE_FAILED` when its folder is away too: a disk that is not mounted loses nothing. */
function checkGone(path: string): Found {
  const folder = dirname(path)
  if (existsSync(folder)) return 'gone'
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
