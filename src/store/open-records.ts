import { ArtifactError } from '../errors.js'
import { createHasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf } from '../model/digest.js'
import type { WireItem, WireRecord, WireRun } from '../pack/encode-pack-stream.js'
import { checkHeader, checkRecord, type RecordLocation } from '../pack/read-record.js'
import { BlobSource, type FilePlace } from './blob-source.js'
import { findMoved } from './find-moved.js'
import { type BlobPlace, locateBlobs } from './locate-blobs.js'
import { checkAborted } from './progress.js'
import { quarantineKeys } from './quarantine.js'
import { isLoss } from './read-blob.js'
import { readWhole } from './read-chunks.js'
import { type PackedBlob, type PackRun, planRuns, readRun } from './read-run.js'
import type { Store } from './store.js'

/** Longer bodies are read as they are sent. */
const STEP_BYTES = 1024 * 1024

export interface OpenRecordsOptions {
  /** Every key must be here. Default false: keys that are not here are left out. */
  require?: boolean
  /**
   * The receiver tells of wrong bytes: of those in packs only the headers are looked at. Default
   * false.
   */
  unchecked?: boolean
  /** Told of each record that is damaged or gone and so is left out, unless `require` is set. */
  onSkip?: (error: ArtifactError) => void
  signal?: AbortSignal
}

interface Found {
  key: BlobKey
  place: BlobPlace
}

/**
 * The records of these keys, to be sent, in the order in which they are read best: by pack, in the
 * order of their first keys, and offset, then objects, blobs in chunks, and files outside the store. Those of packs come in runs,
 * of which the next is read while one is used; of the others a body must be read before the next
 * record is asked for. Of packs the checksums are looked at, unless `unchecked` is set; the others are hashed while they are
 * read, and the stat of a file outside must be the recorded one before and after. What turns out
 * damaged in the store is moved aside; what was moved into another pack meanwhile comes last.
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
): AsyncGenerator<WireItem, void, undefined> {
  const { require = false, unchecked = false, onSkip, signal } = options
  const found = await findPlaces(store, keys, require)
  const moved: BlobKey[] = []
  const lose = async (key: BlobKey, error: unknown, place: BlobPlace) => {
    if (!isLoss(error)) throw error
    if (await findMoved(store, key, place)) {
      moved.push(key)
      return
    }
    if (place.in !== 'external') await quarantineKeys(store, [key])
    if (require) throw error
    onSkip?.(error)
  }
  for await (const { run, read } of readAhead(store.home, planRuns(found.filter(isPacked)))) {
    checkAborted(signal)
    yield* openRun(run, read, { check: unchecked ? checkHeader : checkRecord, lose })
  }
  for (const { key, place } of found) {
    if (place.in === 'pack') continue
    checkAborted(signal)
    try {
      if (place.in === 'recipe') {
        yield await holdSmall(key, moveIfDamaged(store, key, readWhole(store, key, place)))
      } else yield* openFile(store, key, place)
    } catch (error) {
      await lose(key, error, place)
    }
  }
  if (moved.length > 0) yield* openRecords(store, moved, options)
}

async function findPlaces(store: Store, keys: BlobKey[], require: boolean): Promise<Found[]> {
  const places = await locateBlobs(store, keys)
  const found: Found[] = []
  for (const [index, key] of keys.entries()) {
    const place = places[index]
    if (place) found.push({ key, place })
    else if (require) throw missing(key)
  }
  return found.sort(compareIn(found))
}

const RANK = { pack: 0, object: 1, recipe: 2, external: 3 } as const

/** Packs come in the order of their first key, so that the chunks of a file come in theirs. */
function compareIn(found: Found[]): (a: Found, b: Found) => number {
  const packs = new Map<string, number>()
  for (const { place } of found) {
    if (place.in === 'pack' && !packs.has(place.packId)) packs.set(place.packId, packs.size)
  }
  return (a, b) => {
    if (!isPacked(a) || !isPacked(b)) return RANK[a.place.in] - RANK[b.place.in]
    const apart = packs.get(a.place.packId)! - packs.get(b.place.packId)!
    return apart || a.place.offset - b.place.offset
  }
}

function isPacked(item: Found): item is PackedBlob {
  return item.place.in === 'pack'
}

function missing(key: BlobKey): ArtifactError {
  const { kind, digest } = key
  return new ArtifactError('BLOB_MISSING', `the ${kind} ${digest} is not here`, {
    details: { kind, digest },
  })
}

/** What was read of a run, or why it cannot be. */
type RunRead = { bytes: Buffer } | { error: unknown }

async function* readAhead(home: string, runs: Iterable<PackRun>) {
  const start = (run: PackRun) => ({
    run,
    reading: readRun(home, run).then(
      (bytes): RunRead => ({ bytes }),
      (error): RunRead => ({ error }),
    ),
  })
  let next: ReturnType<typeof start> | undefined
  for (const run of runs) {
    const current = next
    next = start(run)
    if (current) yield { run: current.run, read: await current.reading }
  }
  if (next) yield { run: next.run, read: await next.reading }
}

interface RunChecks {
  /** @throws `BLOB_DAMAGED` for a record that is not what it must be. */
  check: (bytes: Buffer, location: RecordLocation) => unknown
  /** Hears of records that are damaged or gone. */
  lose: (key: BlobKey, error: unknown, place: BlobPlace) => Promise<void>
}

async function* openRun(
  run: PackRun,
  read: RunRead,
  { check, lose }: RunChecks,
): AsyncGenerator<WireRun, void, undefined> {
  const bytes = 'bytes' in read ? read.bytes : Buffer.alloc(0)
  const keys: BlobKey[] = []
  const encoded: Uint8Array[] = []
  let storedLength = 0
  // Records that touch each other go out together.
  let from = 0
  let to = 0
  for (const { blob, start, length } of run.records) {
    const { key, place } = blob
    try {
      if ('error' in read) throw read.error
      check(bytes.subarray(start, start + length), { key, ...place })
    } catch (error) {
      await lose(key, error, place)
      continue
    }
    keys.push(key)
    storedLength += place.storedLength
    if (start !== to) {
      if (to > from) encoded.push(bytes.subarray(from, to))
      from = start
    }
    to = start + length
  }
  if (to > from) encoded.push(bytes.subarray(from, to))
  if (keys.length > 0) yield { keys, storedLength, encoded }
}

async function* openFile(store: Store, key: BlobKey, place: FilePlace): AsyncGenerator<WireRecord> {
  const source = new BlobSource(store.home, key, place)
  try {
    const parts = source.parts(await createHasher(algorithmOf(key.digest)))
    yield await holdSmall(key, source.isObject ? moveIfDamaged(store, key, parts) : parts)
  } finally {
    source.close()
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
    if (isLoss(error)) await quarantineKeys(store, [key])
    throw error
  }
}

/** A body that is small is read to its end first, so that the record goes out whole or not at all. */
async function holdSmall(key: BlobKey, body: AsyncIterable<Uint8Array>): Promise<WireRecord> {
  if (key.size > STEP_BYTES) return { key, storedLength: key.size, body }
  const bytes: Uint8Array[] = []
  for await (const part of body) bytes.push(part)
  return { key, storedLength: key.size, body: Buffer.concat(bytes) }
}
