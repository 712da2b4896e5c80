import { algorithmOf } from '../model/digest.js'
import type { BlobSource } from '../store/blob-source.js'
import type { JudgedChunk } from '../store/cut-file.js'
import type { WirePool } from './wire-pool.js'

/** Cut in one task: some tens of milliseconds. */
const PART_BYTES = 16 * 1024 * 1024

/** Chunks of a blob that follow one another. */
export interface CutPart {
  source: BlobSource
  /** Where the first of them starts. */
  start: number
  chunks: JudgedChunk[]
  isLast: boolean
}

/**
 * Cuts blobs into chunks, in other threads and some ahead, and gives them part by part in order.
 * @throws the source's error when it is shorter than its blob.
 */
export async function* cutParts(
  sources: BlobSource[],
  pool: WirePool,
): AsyncGenerator<CutPart, void, undefined> {
  const first: Promise<JudgedChunk[]>[] = []
  for (const [index, source] of sources.entries()) {
    for (let ahead = index; ahead < index + pool.size && ahead < sources.length; ahead += 1) {
      first[ahead] ??= cut(sources[ahead]!, 0, pool)
    }
    let work = first[index]!
    for (let start = 0; start < source.key.size; ) {
      const chunks = await work
      const end = chunks.reduce((sum, { size }) => sum + size, start)
      if (end === start) throw source.damaged()
      const isLast = end === source.key.size
      if (!isLast) work = cut(source, end, pool)
      yield { source, start, chunks, isLast }
      start = end
    }
  }
}

function cut(source: BlobSource, start: number, pool: WirePool): Promise<JudgedChunk[]> {
  const { key, path } = source
  const part = { path, size: key.size, start, length: PART_BYTES }
  const algorithm = algorithmOf(key.digest)
  const work = pool.cut(algorithm, part)
  // It is awaited in its turn; until then nobody hears of a failure.
  work.catch(() => {})
  return work
}
