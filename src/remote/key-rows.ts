import { ArtifactError } from '../errors.js'
import type { BlobKey, BlobKind } from '../model/blob-key.js'
import { ALGORITHMS, algorithmById, algorithmOf, hexOf } from '../model/digest.js'
import { KIND_NUMBERS, MAX_DIGEST_BYTES } from '../pack/format.js'
import { MAX_KEYS } from './messages.js'

// The binary bodies of docs/protocol.md. Integers are little-endian.

/** A row without its digest: kind u8, algorithm u8, size u64. */
const FIXED_BYTES = 10

/** The longest body of keys. */
export const MAX_KEYS_BYTES = MAX_KEYS * (FIXED_BYTES + MAX_DIGEST_BYTES)

const KINDS = new Map<number, BlobKind>(
  (['blob', 'piece', 'recipe'] as const).map(kind => [KIND_NUMBERS[kind], kind]),
)

/** @throws `TypeError` for more than {@link MAX_KEYS}. */
export function encodeKeyRows(keys: BlobKey[]): Buffer {
  if (keys.length > MAX_KEYS) throw new TypeError(`at most ${MAX_KEYS} keys a call`)
  const rows = Buffer.allocUnsafe(keys.length * (FIXED_BYTES + MAX_DIGEST_BYTES))
  let end = 0
  for (const { kind, digest, size } of keys) {
    const { bytes, id } = ALGORITHMS[algorithmOf(digest)]
    rows[end] = KIND_NUMBERS[kind]
    rows[end + 1] = id
    end += 2 + rows.write(hexOf(digest), end + 2, bytes, 'hex')
    end = rows.writeUInt32LE(size >>> 0, end)
    end = rows.writeUInt32LE(Math.floor(size / 2 ** 32), end)
  }
  return rows.subarray(0, end)
}

/**
 * @throws `REQUEST_INVALID`, with the number of the row (from 0) in its details;
 *   `REQUEST_TOO_LARGE` for more than {@link MAX_KEYS}.
 */
export function decodeKeyRows(bytes: Buffer): BlobKey[] {
  const keys: BlobKey[] = []
  for (let at = 0; at < bytes.length; ) {
    if (keys.length === MAX_KEYS) {
      throw new ArtifactError('REQUEST_TOO_LARGE', `more than ${MAX_KEYS} keys`)
    }
    const row = keys.length
    const kind = KINDS.get(bytes[at]!)
    if (!kind) throw invalidRow(row, `unknown kind ${bytes[at]}`)
    const algorithm = findAlgorithm(bytes[at + 1] ?? 0, row)
    const end = at + 2 + ALGORITHMS[algorithm].bytes
    if (bytes.length < end + 8) throw invalidRow(row, 'cut')
    const size = bytes.readUInt32LE(end) + bytes.readUInt32LE(end + 4) * 2 ** 32
    if (!Number.isSafeInteger(size)) throw invalidRow(row, 'a size beyond 2^53')
    keys.push({ kind, digest: `${algorithm}:${bytes.toString('hex', at + 2, end)}`, size })
    at = end + 8
  }
  return keys
}

function findAlgorithm(id: number, row: number) {
  try {
    return algorithmById(id)
  } catch {
    throw invalidRow(row, `unknown digest algorithm ${id}`)
  }
}

function invalidRow(row: number, reason: string): ArtifactError {
  const message = `row ${row} of the keys: ${reason}`
  return new ArtifactError('REQUEST_INVALID', message, { details: { row } })
}

/** One u32 each. */
export function encodeIndices(indices: number[]): Buffer {
  const bytes = Buffer.alloc(indices.length * 4)
  indices.forEach((index, row) => {
    bytes.writeUInt32LE(index, row * 4)
  })
  return bytes
}

/** Ascending indices below `limit`; null for anything else. */
export function decodeIndices(bytes: Buffer, limit: number): number[] | null {
  if (bytes.length % 4 !== 0) return null
  const indices = Array.from({ length: bytes.length / 4 }, (_, row) => bytes.readUInt32LE(row * 4))
  const sound = indices.every(
    (index, row) => index < limit && (row === 0 || index > indices[row - 1]!),
  )
  return sound ? indices : null
}
