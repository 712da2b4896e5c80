import { closeSync, openSync } from 'node:fs'
import { CutFinder, MAX_CHUNK } from '../chunk/find-cut.js'
import { type Hasher, hashBytes } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { readAt } from '../pack/read-at.js'

/** Read at once; the start of a chunk that does not end in it is read again. */
const WINDOW_BYTES = 4 * 1024 * 1024

/** One a thread. */
let finder: CutFinder | undefined

/** A chunk of a file, which is a blob, and what `judge` said of its bytes. */
export interface JudgedChunk extends BlobKey {
  pays: boolean
}

/** A part of a file of `size` bytes, from the start of a chunk at `start`. */
export interface FilePart {
  path: string
  size: number
  start: number
  /** Ends with the first chunk that reaches so many bytes. */
  length: number
}

/**
 * Cuts a part of a file into chunks, in order, and hashes them. Synchronous, for a worker thread.
 * A file that became shorter gives fewer.
 */
export function cutFile(
  { path, size, start, length }: FilePart,
  { hasher, judge }: { hasher: Hasher; judge: (bytes: Uint8Array) => boolean },
): JudgedChunk[] {
  finder ??= new CutFinder(WINDOW_BYTES)
  const end = Math.min(size, start + length)
  const chunks: JudgedChunk[] = []
  const fd = openSync(path, 'r')
  try {
    for (let position = start; position < end; ) {
      const wanted = finder.window.subarray(0, size - position)
      const bytes = wanted.subarray(0, readAt(fd, wanted, position))
      const isLast = position + bytes.length === size || bytes.length < wanted.length
      const stop = isLast ? bytes.length : bytes.length - MAX_CHUNK + 1
      let at = 0
      while (at < stop && position + at < end) {
        const chunk = bytes.subarray(at, at + finder.findCut(at, bytes.length))
        const digest = hashBytes(hasher, chunk)
        chunks.push({ kind: 'blob', digest, size: chunk.length, pays: judge(chunk) })
        at += chunk.length
      }
      if (at === 0) break
      position += at
    }
    return chunks
  } finally {
    closeSync(fd)
  }
}
