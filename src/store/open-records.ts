import { closeSync, fstatSync, openSync, read as readCallback } from 'node:fs'
import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ArtifactError, storeError } from '../errors.js'
import { HasherSet } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf } from '../model/digest.js'
import { objectPath, packPath } from '../model/home.js'
import type { WireRecord } from '../pack/encode-pack-stream.js'
import { readRecord } from '../pack/read-record.js'
import { changedError, checkStat, type ExternalPlace, openSource } from './external-source.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import { checkAborted } from './progress.js'
import { quarantine } from './quarantine.js'
import { blobError, isLoss } from './read-blob.js'
import { fileError } from './source-file.js'
import type { Store } from './store.js'
import { verifyParts } from './verify-parts.js'

/** Large bodies are read in steps of this size. */
const STEP_BYTES = 1024 * 1024
/** Records, and bytes, that are read in one turn of the event loop. */
const TURN_RECORDS = 64
const TURN_BYTES = 4 * 1024 * 1024

const readFile = promisify(readCallback)

export interface OpenRecordsOptions {
  /** Every key must be here. Default false: keys that are not here are left out. */
  require?: boolean
  /** Told of each record that is damaged or gone and so is left out, unless `require` is set. */
  onSkip?: (error: ArtifactError) => void
  signal?: AbortSignal
}

type PackPlace = BlobPlace & { in: 'pack' }
interface Found {
  key: BlobKey
  place: BlobPlace
}

/**
 * The records of these keys, to be sent, in the order in which they are read best: by pack and
 * offset, then objects, then files outside the store. A body must be read before the next record
 * is asked for. Of packs the checksums are looked at; objects and files outside are hashed while
 * they are read, and the stat of a file outside must be the recorded one before and after. What
 * turns out damaged in the store is moved aside.
 *
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED`, with `require`, for a key that is not here or does not
 *   read; `SOURCE_CHANGED`, naming the file, if one outside the store is not what was hashed. From
 *   the body when it is above 1 MiB, also without `require`: the pack in which it goes is cut, and
 *   asked for again it is not here.
 */
export async function* openRecords(
  store: Store,
  keys: BlobKey[],
  options: OpenRecordsOptions = {},
): AsyncGenerator<WireRecord, void, undefined> {
  const { require = false, onSkip, signal } = options
  const found = await findPlaces(store, keys, require)
  const hashers = new HasherSet()
  const packs = new PackFiles(store.home)
  let records = 0
  let bytes = 0
  try {
    for (const { key, place } of found) {
      checkAborted(signal)
      try {
        if (place.in === 'pack') yield packs.read(key, place)
        else if (place.in === 'object') yield* openObject(store, key, hashers)
        else yield* openExternal(key, place, hashers)
      } catch (error) {
        if (!isLoss(error)) throw error
        if (place.in !== 'external') await quarantine(store, [{ key, location: place }])
        if (require) throw error
        onSkip?.(error)
      }
      records += 1
      bytes += key.size
      if (records < TURN_RECORDS && bytes < TURN_BYTES) continue
      await yieldToLoop()
      records = 0
      bytes = 0
    }
  } finally {
    packs.close()
  }
}

async function findPlaces(store: Store, keys: BlobKey[], require: boolean): Promise<Found[]> {
  const places = await locateBlobs(store, keys)
  const found: Found[] = []
  for (const [index, key] of keys.entries()) {
    const place = places[index]
    if (place) found.push({ key, place })
    else if (require) throw missing(key)
  }
  return found.sort(compareFound)
}

const RANK = { pack: 0, object: 1, external: 2 } as const

function compareFound({ place: a }: Found, { place: b }: Found): number {
  if (a.in !== 'pack' || b.in !== 'pack') return RANK[a.in] - RANK[b.in]
  if (a.packId !== b.packId) return a.packId < b.packId ? -1 : 1
  return a.offset - b.offset
}

function missing(key: BlobKey): ArtifactError {
  const { kind, digest } = key
  return new ArtifactError('BLOB_MISSING', `the ${kind} ${digest} is not here`, {
    details: { kind, digest },
  })
}

/** Keeps the pack open from which the last record was read. */
class PackFiles {
  readonly #home: string
  #open: { packId: string; fd: number } | undefined

  constructor(home: string) {
    this.#home = home
  }

  read(key: BlobKey, place: PackPlace): WireRecord {
    try {
      const fd = this.#openPack(place.packId)
      const { encoding, storedLength } = place
      return { key, encoding, storedLength, body: readRecord(fd, { key, ...place }) }
    } catch (error) {
      throw blobError(error, key)
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#open.fd)
    this.#open = undefined
  }

  #openPack(packId: string): number {
    if (this.#open?.packId !== packId) {
      this.close()
      this.#open = { packId, fd: openSync(packPath(this.#home, packId), 'r') }
    }
    return this.#open!.fd
  }
}

async function* openObject(
  store: Store,
  key: BlobKey,
  hashers: HasherSet,
): AsyncGenerator<WireRecord> {
  let fd: number
  try {
    fd = openSync(objectPath(store.home, key.digest), 'r')
  } catch (error) {
    throw blobError(error, key)
  }
  try {
    const raw = readParts(fd, key.size, error => storeError(error, `reading ${key.digest}`))
    const hasher = await hashers.get(algorithmOf(key.digest))
    const onDamage = () => damaged(key)
    if (fstatSync(fd).size !== key.size) throw onDamage()
    const parts = verifyParts(raw, key, { hasher, onDamage })
    yield await holdSmall(key, moveIfDamaged(store, key, parts))
  } finally {
    closeSync(fd)
  }
}

/** What a body throws its reader hears of, and not the generator of the records. */
async function* moveIfDamaged(
  store: Store,
  key: BlobKey,
  parts: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* parts
  } catch (error) {
    if (isLoss(error)) {
      await quarantine(store, [{ key, location: { in: 'object', size: key.size } }])
    }
    throw error
  }
}

function damaged(key: BlobKey): ArtifactError {
  const message = `the object ${key.digest} is damaged`
  return new ArtifactError('BLOB_DAMAGED', message, { details: { ...key } })
}

async function* openExternal(
  key: BlobKey,
  place: ExternalPlace,
  hashers: HasherSet,
): AsyncGenerator<WireRecord> {
  const { file } = place
  const fd = openSource(place)
  try {
    checkStat(fd, place)
    const hasher = await hashers.get(algorithmOf(key.digest))
    const raw = readParts(fd, key.size, error => fileError(error, file))
    const parts = verifyParts(raw, key, { hasher, onDamage: () => changedError(file) })
    yield await holdSmall(
      key,
      checkAfter(parts, () => checkStat(fd, place)),
    )
  } finally {
    closeSync(fd)
  }
}

/** A body that is small is read to its end first, so that the record goes out whole or not at all. */
async function holdSmall(key: BlobKey, body: AsyncIterable<Uint8Array>): Promise<WireRecord> {
  if (key.size > STEP_BYTES) return { key, storedLength: key.size, body }
  const bytes: Uint8Array[] = []
  for await (const part of body) bytes.push(part)
  return { key, storedLength: key.size, body: Buffer.concat(bytes) }
}

async function* checkAfter(
  parts: AsyncIterable<Uint8Array>,
  check: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* parts
  check()
}

/** The first `size` bytes of a file, or fewer if it ends before. */
async function* readParts(
  fd: number,
  size: number,
  explain: (error: unknown) => ArtifactError,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let done = 0; done < size; ) {
    const step = Buffer.allocUnsafeSlow(Math.min(STEP_BYTES, size - done))
    const { bytesRead } = await readFile(fd, step, 0, step.length, done).catch(error => {
      throw explain(error)
    })
    if (bytesRead === 0) return
    yield step.subarray(0, bytesRead)
    done += bytesRead
  }
}
