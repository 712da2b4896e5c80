/** RFC 8878, 3.1.1. */
const MAGIC = 0xfd2fb528
/** Bytes of the content size, by the top bits of the descriptor; one segment has at least one. */
const CONTENT_BYTES = [0, 2, 4, 8]
const DICTIONARY_BYTES = [0, 1, 2, 4]
const BLOCK_HEADER_BYTES = 3
const CHECKSUM_BYTES = 4

export interface FrameMeasures {
  /** Bytes from the start of the frame to its end; null where that does not lie in the bytes. */
  length: number | null
  /** Bytes that it says it holds; null where it does not say. */
  content: number | null
}

/**
 * Walks over the zstd frame at the start of `bytes` without decoding it: from header to header of
 * its blocks. Both measures are null for what is not a frame, or one that needs a dictionary.
 */
export function measureFrame(bytes: Uint8Array): FrameMeasures {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const nothing = { length: null, content: null }
  if (view.length < 6 || view.readUInt32LE(0) !== MAGIC) return nothing
  const descriptor = view.readUInt8(4)
  const isSegment = (descriptor & 0x20) !== 0
  const hasChecksum = (descriptor & 0x04) !== 0
  const dictionaryBytes = DICTIONARY_BYTES[descriptor & 3]!
  if (dictionaryBytes > 0) return nothing
  const contentBytes = CONTENT_BYTES[descriptor >> 6]! || (isSegment ? 1 : 0)
  const contentStart = 5 + (isSegment ? 0 : 1)
  const start = contentStart + contentBytes
  if (view.length < start) return nothing
  const content = readContent(view, contentStart, contentBytes)
  for (let at = start; at + BLOCK_HEADER_BYTES <= view.length; ) {
    const header = view.readUIntLE(at, BLOCK_HEADER_BYTES)
    const isRun = ((header >> 1) & 3) === 1
    at += BLOCK_HEADER_BYTES + (isRun ? 1 : header >> 3)
    if ((header & 1) === 0) continue
    const end = at + (hasChecksum ? CHECKSUM_BYTES : 0)
    return { length: end <= view.length ? end : null, content }
  }
  return { length: null, content }
}

function readContent(view: Buffer, at: number, width: number): number | null {
  switch (width) {
    case 1:
      return view.readUInt8(at)
    case 2:
      return view.readUInt16LE(at) + 256
    case 4:
      return view.readUInt32LE(at)
    case 8:
      return Number(view.readBigUInt64LE(at))
    default:
      return null
  }
}
