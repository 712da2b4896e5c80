import type { BlobKey } from '../model/blob-key.js'
import { type BatchPart, type EncodedBatch, encodeAsIs } from '../pack/encode-batch.js'
import type { WireItem, WireRecord, WireRun } from '../pack/encode-pack-stream.js'
import type { WirePool } from './wire-pool.js'

/** Bytes, and parts, in one task: some milliseconds of work. */
const BATCH_BYTES = 1024 * 1024
const BATCH_PARTS = 1024
/** Tasks that wait or run for each thread, so that none of them is idle. */
const BATCHES_A_THREAD = 2

export type RunSource = WireItem & {
  /** Whether compressing something of it pays, if it was judged before. */
  pays?: boolean
  /** Called when it has gone out. A long body is counted as it is read. */
  onSent?: () => void
}

interface Batch {
  keys: BlobKey[]
  parts: BatchPart[]
  bytes: number
  pays: boolean
  /** Of the bodies as they are, added up. */
  storedLength: number
  onSent: (() => void)[]
}

export interface EncodeOptions {
  /** Compress those for which it pays. */
  compress: boolean
}

/**
 * The same records in the same order, compressed in other threads. Long ones, whose bodies are read as
 * they are sent, such as say an encoding, also 0, and those among which compressing seems to pay
 * nowhere go as they are. Memory is bounded by some megabytes a thread.
 */
export async function* encodeRuns(
  items: AsyncIterable<RunSource>,
  pool: WirePool,
  { compress }: EncodeOptions,
): AsyncGenerator<WireItem, void, undefined> {
  const open: (Batch & { work: Promise<EncodedBatch> })[] = []
  async function* finish(): AsyncGenerator<WireRun> {
    const { keys, work, onSent } = open.shift()!
    yield { keys, ...(await work) }
    for (const tell of onSent) tell()
  }
  try {
    for await (const some of cutBatches(items)) {
      const isBatch = 'parts' in some
      if (isBatch) {
        const work = encode(some, pool, compress)
        // It is awaited in its turn; until then nobody hears of a failure.
        work.catch(() => {})
        open.push({ ...some, work })
      }
      const most = isBatch ? pool.size * BATCHES_A_THREAD : 0
      while (open.length > most) yield* finish()
      if (isBatch) continue
      yield some
      some.onSent?.()
    }
    while (open.length > 0) yield* finish()
  } finally {
    await Promise.allSettled(open.map(({ work }) => work))
  }
}

async function encode(
  { parts, pays, storedLength }: Batch,
  pool: WirePool,
  compress: boolean,
): Promise<EncodedBatch> {
  if (compress && (pays || (await pool.pays(parts)))) return pool.encode(parts)
  return { encoded: encodeAsIs(parts), storedLength }
}

/** Short records in batches, and the others one by one. */
async function* cutBatches(
  items: AsyncIterable<RunSource>,
): AsyncGenerator<Batch | RunSource, void, undefined> {
  let batch = emptyBatch()
  for await (const item of items) {
    const short = isBatched(item)
    if (short) addTo(batch, item)
    const full = batch.bytes >= BATCH_BYTES || batch.parts.length >= BATCH_PARTS
    if (batch.parts.length > 0 && (full || !short)) {
      yield batch
      batch = emptyBatch()
    }
    if (!short) yield item
  }
  if (batch.parts.length > 0) yield batch
}

function emptyBatch(): Batch {
  return { keys: [], parts: [], bytes: 0, pays: false, storedLength: 0, onSent: [] }
}

type BatchedItem = RunSource & (WireRun | ShortRecord)

/** Where it is known that compressing pays nowhere there is nothing to do. */
function isBatched(item: RunSource): item is BatchedItem {
  return item.pays !== false && ('encoded' in item || isShort(item))
}

type ShortRecord = WireRecord & { body: Uint8Array }

function isShort(record: WireRecord): record is ShortRecord {
  return record.body instanceof Uint8Array && record.encoding === undefined
}

function addTo(batch: Batch, item: BatchedItem): void {
  if (item.onSent) batch.onSent.push(item.onSent)
  batch.pays ||= item.pays === true
  if ('encoded' in item) {
    for (const key of item.keys) batch.keys.push(key)
    for (const encoded of item.encoded) {
      batch.parts.push({ encoded })
      batch.bytes += encoded.length
    }
    batch.storedLength += item.storedLength
    return
  }
  // A body may lie in memory that it shares.
  const plain = new Uint8Array(item.body)
  batch.keys.push(item.key)
  batch.parts.push({ keys: [item.key], plain })
  batch.bytes += plain.length
  batch.storedLength += plain.length
}
