import { maxRecipeBytes } from '../chunk/recipe.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { parseDigest } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import { BlobSource } from '../store/blob-source.js'
import { cutRuns } from '../store/cut-runs.js'
import { LARGE_BYTES } from '../store/file-ingester.js'
import { locateBlobs } from '../store/locate-blobs.js'
import { readPiece } from '../store/manifest.js'
import { checkAborted } from '../store/progress.js'
import { listMissing } from './list-missing.js'
import { PackQueue } from './pack-queue.js'
import type { PushSession, UploadMeter } from './push-session.js'
import { type LargeBlob, sendLarge } from './send-large.js'
import { sendPack } from './send-pack.js'

/** Pieces are taken up together as long as they and what they list fit into one question. */
const KEYS_A_GROUP = 10_000
/** Of the first group of many: it is soon known what of it is to be sent, while the others are asked for. */
const FIRST_KEYS = 2500
/** Groups that are held at once: what the next one lacks is asked for while one is sent. */
const PARALLEL_GROUPS = 2
/** A pack on the wire holds no more, unless one blob alone does. */
const PACK_LIMITS = { weigh: ({ key }: WantedKey) => key.size, most: 64 * 1024 * 1024 }

/** A piece to send with what it lists, and the version that asks for it. */
export interface WantedPiece {
  piece: Piece
  meter: UploadMeter
}

export interface WantedKey {
  key: BlobKey
  meter: UploadMeter
}

/**
 * Sends what the remote lacks of these pieces and of the blobs that they list. What another
 * collection is sending at the moment is waited for instead.
 *
 * @throws `BLOB_MISSING`, `BLOB_DAMAGED` or `SOURCE_CHANGED` when it cannot be read here, and as
 *   `Remote`. What was sent before stays there.
 */
export async function uploadPieces(
  session: PushSession,
  entity: string,
  pieces: WantedPiece[],
): Promise<void> {
  const others = new Set<Promise<void>>()
  const sending = new Set<Promise<void>>()
  const queue = new PackQueue()
  let failure: { error: unknown } | undefined
  try {
    for (const group of cutGroups(pieces)) {
      if (failure) break
      const keys = await listKeys(session, group)
      const own: WantedKey[] = []
      for (const [name, wanted] of keys) {
        const claim = session.claims.get(name)
        if (claim) others.add(claim)
        else own.push(wanted)
      }
      const sent = sendClaimed(session, entity, { wanted: own, queue })
        .catch(error => {
          failure ??= { error }
        })
        .finally(() => sending.delete(sent))
      sending.add(sent)
      if (sending.size === PARALLEL_GROUPS) await Promise.race(sending)
    }
  } finally {
    await Promise.all(sending)
  }
  if (failure) throw failure.error
  await Promise.all(others)
}

/** Many small versions go together, and a large one in parts. */
function* cutGroups(pieces: WantedPiece[]): Generator<WantedPiece[], void, undefined> {
  const weigh = ({ piece }: WantedPiece) => piece.count + 1
  const [first = [], ...others] = cutRuns(pieces, { weigh, most: KEYS_A_GROUP })
  if (others.length === 0) return yield first
  const [begin = [], ...rest] = cutRuns(first, { weigh, most: FIRST_KEYS })
  yield begin
  if (rest.length > 0) yield rest.flat()
  yield* others
}

/** The pieces and their blobs, each once. References have no blob. */
async function listKeys(
  { context }: PushSession,
  pieces: WantedPiece[],
): Promise<Map<string, WantedKey>> {
  const keys = new Map<string, WantedKey>()
  const add = (key: BlobKey, meter: UploadMeter) => {
    const name = blobKeyString(key)
    if (!keys.has(name)) keys.set(name, { key, meter })
  }
  for (const { piece, meter } of pieces) {
    checkAborted(context.signal)
    for (const { digest, size, ref } of await readPiece(context.store, piece)) {
      if (ref === undefined) add({ kind: 'blob', digest: parseDigest(digest), size }, meter)
    }
    add({ kind: 'piece', digest: piece.digest, size: piece.size }, meter)
  }
  return keys
}

async function sendClaimed(
  session: PushSession,
  entity: string,
  { wanted, queue }: { wanted: WantedKey[]; queue: PackQueue },
): Promise<void> {
  let release = () => {}
  const claim = new Promise<void>(resolve => {
    release = resolve
  })
  const names = wanted.map(({ key }) => blobKeyString(key))
  for (const name of names) session.claims.set(name, claim)
  try {
    const missing = await listMissing(session, entity, wanted)
    countWanted(session, wanted, missing)
    const { recipes } = await session.capabilities()
    const isLarge = ({ key }: WantedKey) =>
      recipes && key.kind === 'blob' && key.size >= LARGE_BYTES && maxRecipeBytes(key) > 0
    const small = missing.filter(item => !isLarge(item))
    const large = missing.filter(isLarge)
    await queue.send([
      ...[...cutRuns(small, PACK_LIMITS)].map(pack => () => sendPack(session, entity, pack)),
      ...[...cutRuns(large, PACK_LIMITS)].map(pack => () => sendAllLarge(session, entity, pack)),
    ])
  } finally {
    for (const name of names) session.claims.delete(name)
    release()
  }
}

/** What is known of how far the versions are, now that the remote told what it lacks. */
function countWanted(session: PushSession, wanted: WantedKey[], missing: WantedKey[]): void {
  for (const { key, meter } of wanted) meter.bytesSkipped += key.size
  for (const { key, meter } of missing) {
    meter.bytesSkipped -= key.size
    meter.bytesTotal += key.size
  }
  for (const meter of new Set(wanted.map(({ meter }) => meter))) session.emit(meter)
}

/** Large blobs go as chunks, if the remote takes that and their file is at hand. */
async function sendAllLarge(session: PushSession, entity: string, wanted: WantedKey[]) {
  const { store } = session.context
  const places = await locateBlobs(
    store,
    wanted.map(({ key }) => key),
  )
  const others: WantedKey[] = []
  const blobs: LargeBlob[] = []
  try {
    for (const [index, { key, meter }] of wanted.entries()) {
      const place = places[index]
      const isFile = place?.in === 'object' || place?.in === 'external'
      if (isFile) blobs.push({ source: new BlobSource(store.home, key, place), meter })
      else others.push({ key, meter })
    }
    if (blobs.length > 0) await sendLarge(session, entity, blobs)
  } finally {
    for (const { source } of blobs) source.close()
  }
  if (others.length > 0) await sendPack(session, entity, others)
}
