import {
  type BatchPart,
  type EncodedBatch,
  encodeAsIs,
  encodePlain,
  type PlainKey,
} from '../pack/encode-batch.js'
import type { WireItem, WireRecord, WireRun } from '../pack/encode-pack-stream.js'
import type { WirePool } from './wire-pool.js'

/** Bytes, and parts, in one task: some milliseconds of work. */
const BATCH_BYTES = 1024 * 1024
const BATCH_PARTS = 1024
/** Tasks that wait or run for each thread, so that none of them is idle. */
const BATCHES_A_THREAD = 2

/** The bytes of records that lie one after another, handed over with the memory they lie in. */
export interface PlainRun {
  keys: PlainKey[]
  plain: Uint8Array
}

export type RunSource = (WireItem | PlainRun) & {
  /** Called when it has gone out. A long body is counted as it is read. */
  onSent?: () => void
}

/** It goes out as it is. */
type ReadyItem = WireItem & { onSent?: () => void }

interface Batch {
  keys: PlainKey[]
  parts: BatchPart[]
  bytes: number
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
  { parts, storedLength }: Batch,
  pool: WirePool,
  compress: boolean,
): Promise<EncodedBatch> {
  if (compress && (await pool.pays(parts))) return pool.encode(parts)
  return { encoded: encodeAsIs(parts), storedLength }
}

/** Short records in batches, and the others one by one. */
async function* cutBatches(
  items: AsyncIterable<RunSource>,
): AsyncGenerator<Batch | ReadyItem, void, undefined> {
  let batch = emptyBatch()
  for await (const item of items) {
    const short = isBatched(item)
    if (short) addTo(batch, item)
    const full = batch.bytes >= BATCH_BYTES || batch.parts.length >= BATCH_PARTS
    if (batch.parts.length > 0 && (full || !short)) {
      yield batch
      batch = emptyBatch()
    }
    if (!short) yield asItIs(item)
  }
  if (batch.parts.length > 0) yield batch
}

function emptyBatch(): Batch {
  return { keys: [], parts: [], bytes: 0, storedLength: 0, onSent: [] }
}

type BatchedItem = (WireRun | PlainRun | ShortRecord) & { onSent?: () => void }

/** Of plain bytes it may be known that compressing them pays nowhere: then there is nothing to do. */
function isBatched(item: RunSource): item is BatchedItem {
  if ('plain' in item) return item.keys.some(({ pays }) => pays !== false)
  return 'encoded' in item || isShort(item)
}

function asItIs(item: RunSource): ReadyItem {
  return 'plain' in item ? { ...item, ...encodePlain(item.keys, item.plain) } : item
}

type ShortRecord = WireRecord & { body: Uint8Array }

function isShort(record: WireRecord): record is ShortRecord {
  return record.body instanceof Uint8Array && record.encoding === undefined
}

function addTo(batch: Batch, item: BatchedItem): void {
  if (item.onSent) batch.onSent.push(item.onSent)
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
  const { keys, plain } =
    'plain' in item ? item : { keys: [item.key], plain: new Uint8Array(item.body) }
  batch.keys.push(...keys)
  batch.parts.push({ keys, plain })
  batch.bytes += plain.length
  batch.storedLength += plain.length
}
