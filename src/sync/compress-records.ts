import type { CompressedBatch } from '../pack/compress-batch.js'
import type { WireRecord } from '../pack/encode-pack-stream.js'
import type { WirePool } from './wire-pool.js'

/** Plain bytes, and records, in one task: some milliseconds of work. */
const BATCH_BYTES = 1024 * 1024
const BATCH_RECORDS = 1024
/** Tasks that wait or run for each thread, so that none of them is idle. */
const BATCHES_A_THREAD = 2

/** A record with its bytes at hand, which are plain. */
type ShortRecord = WireRecord & { body: Uint8Array }

interface Batch {
  records: ShortRecord[]
  work: Promise<CompressedBatch>
}

/**
 * The same records in the same order, those compressed, in other threads, for which it pays. Long
 * ones, whose bodies are read as they are sent, and such as say an encoding, also 0, go as they are.
 * Memory is bounded by some megabytes a thread.
 */
export async function* compressRecords(
  records: AsyncIterable<WireRecord>,
  pool: WirePool,
): AsyncGenerator<WireRecord, void, undefined> {
  const open: Batch[] = []
  try {
    for await (const some of cutBatches(records)) {
      if (Array.isArray(some)) open.push(startBatch(some, pool))
      const most = Array.isArray(some) ? pool.size * BATCHES_A_THREAD : 0
      while (open.length > most) yield* finishBatch(open.shift()!)
      if (!Array.isArray(some)) yield some
    }
    while (open.length > 0) yield* finishBatch(open.shift()!)
  } finally {
    await Promise.allSettled(open.map(({ work }) => work))
  }
}

/** Short records in batches, and the others one by one. */
async function* cutBatches(
  records: AsyncIterable<WireRecord>,
): AsyncGenerator<ShortRecord[] | WireRecord, void, undefined> {
  let batch: ShortRecord[] = []
  let bytes = 0
  for await (const record of records) {
    const short = isShort(record)
    if (short) {
      batch.push(record)
      bytes += record.storedLength
    }
    const full = bytes >= BATCH_BYTES || batch.length >= BATCH_RECORDS
    if (batch.length > 0 && (full || !short)) {
      yield batch
      batch = []
      bytes = 0
    }
    if (!short) yield record
  }
  if (batch.length > 0) yield batch
}

function isShort(record: WireRecord): record is ShortRecord {
  return record.body instanceof Uint8Array && record.encoding === undefined
}

function startBatch(records: ShortRecord[], pool: WirePool): Batch {
  const lengths = records.map(({ body }) => body.length)
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const { body } of records) {
    bytes.set(body, at)
    at += body.length
  }
  const task = { do: 'compress' as const, bytes, lengths }
  const work = pool.run<CompressedBatch>(task, [bytes.buffer])
  // It is awaited in its turn; until then nobody hears of a failure.
  work.catch(() => {})
  return { records, work }
}

async function* finishBatch({ records, work }: Batch): AsyncGenerator<WireRecord> {
  const { bytes, encodings, lengths } = await work
  let at = 0
  for (const [index, { key }] of records.entries()) {
    const storedLength = lengths[index]!
    const body = bytes.subarray(at, at + storedLength)
    yield { key, encoding: encodings[index]!, storedLength, body }
    at += storedLength
  }
}
