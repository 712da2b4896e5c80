import { inspect } from 'node:util'
import { ArtifactError } from '../errors.js'
import { compareUtf8, isCanonicalPath } from './artifact-path.js'
import { ByteBuffer } from './byte-buffer.js'
import { isDigest } from './digest.js'
import type { Entry } from './entry.js'
import type { RunEncoder } from './file-run.js'
import { hashPath } from './path-hash.js'

/** The largest piece that is read, in bytes. The cut rule makes none above 1.25 MiB. */
export const MAX_PIECE_BYTES = 4 * 1024 * 1024

/** The largest line of an entry, its LF included, in bytes. */
export const MAX_LINE_BYTES = 1024 * 1024

/** A piece shorter than this is not cut by the hash of a path. */
export const CUT_MIN_BYTES = 16 * 1024

/** A piece that has reached this is cut in any case. */
export const CUT_MAX_BYTES = 256 * 1024

// One path in 512: with lines of about 100 bytes, 16 KiB + 51 KB make pieces of about 64 KiB.
const CUT_MASK = 0x1ff

/** Levels below an entry; nothing known has more than two. */
const MAX_DEPTH = 100

// LF would end the line under the artifact digest; NUL and lone surrogates do not survive it.
const NOT_HASHABLE = /[\n\0]|\p{Cs}/u

function show(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 200 })
}

function invalid(message: string, details?: Record<string, unknown>): ArtifactError {
  return new ArtifactError('PIECE_INVALID', message, { details })
}

function encodeObject(object: Record<string, unknown>, path: string, depth: number): string {
  let text = ''
  for (const key of Object.keys(object).sort(compareUtf8)) {
    const value = object[key]
    if (value === undefined) continue
    const comma = text === '' ? '' : ','
    text += `${comma}${JSON.stringify(key)}:${encodeValue(value, path, depth)}`
  }
  return `{${text}}`
}

function encodeValue(value: unknown, path: string, depth: number): string {
  if (typeof value === 'string' || value === null || typeof value === 'boolean') {
    return JSON.stringify(value)
  }
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  if (typeof value === 'object' && depth < MAX_DEPTH) {
    if (Array.isArray(value)) {
      return `[${Array.from(value, item => encodeValue(item, path, depth + 1)).join(',')}]`
    }
    if (Object.prototype.toString.call(value) === '[object Object]') {
      return encodeObject(value as Record<string, unknown>, path, depth + 1)
    }
  }
  const reason = depth < MAX_DEPTH ? `what JSON cannot: ${show(value)}` : 'too many levels'
  throw invalid(`entry ${show(path)} holds ${reason}`, { path })
}

function hasOnlyKnownKeys(entry: Entry): boolean {
  for (const key in entry) {
    if (key !== 'path' && key !== 'digest' && key !== 'size' && key !== 'ref') return false
  }
  return true
}

/** What {@link encodeObject} answers for such an entry, in one call of the engine. */
function encodeKnown({ digest, path, ref, size }: Entry): string {
  return JSON.stringify({ digest, path, ref, size })
}

/** @throws as {@link encodeEntry} */
function checkEntry({ path, digest, size, ref }: Entry): void {
  checkPath(path)
  if (ref !== undefined && (typeof ref !== 'string' || ref === '')) {
    throw invalid(`entry ${show(path)} has an invalid ref: ${show(ref)}`, { path })
  }
  if (ref === undefined ? !isDigest(digest) : !isReferenceDigest(digest)) {
    throw invalid(`entry ${show(path)} has an invalid digest: ${show(digest)}`, { path })
  }
  if (!Number.isSafeInteger(size) || size < 0) {
    throw invalid(`entry ${show(path)} has an invalid size: ${show(size)}`, { path })
  }
}

function checkPath(path: unknown): void {
  if (typeof path === 'string' && isCanonicalPath(path)) return
  throw new ArtifactError('INVALID_PATH', `not a canonical path: ${show(path)}`, {
    details: { path },
  })
}

function isReferenceDigest(digest: unknown): boolean {
  return typeof digest === 'string' && digest !== '' && !NOT_HASHABLE.test(digest)
}

/**
 * The canonical line of an entry: JSON without spaces, the keys of every object in UTF-8 order,
 * undefined dropped, unknown keys kept, strings and numbers as `JSON.stringify` writes them, and
 * a LF. {@link decodePiece} takes every line that this makes.
 *
 * @throws `INVALID_PATH` when the path is not canonical; `PIECE_INVALID` for a digest, size, ref
 *   or unknown value that the format cannot hold, or a line above {@link MAX_LINE_BYTES}.
 */
export function encodeEntry(entry: Entry): string {
  checkEntry(entry)
  const line = `${hasOnlyKnownKeys(entry) ? encodeKnown(entry) : encodeObject(entry, entry.path, 0)}\n`
  if (line.length * 3 > MAX_LINE_BYTES && Buffer.byteLength(line) > MAX_LINE_BYTES) {
    const { path } = entry
    throw invalid(`entry ${show(path)} takes more than ${MAX_LINE_BYTES} bytes`, { path })
  }
  return line
}

/**
 * Paths ascend strictly, within a piece and from the last of one to the first of the next.
 *
 * @throws `PIECE_INVALID`, naming both, when `path` does not come after `previous`.
 */
export function checkPieceOrder(previous: string | undefined, path: string): void {
  if (previous === undefined || compareUtf8(previous, path) < 0) return
  throw invalid(`path ${show(path)} does not come after ${show(previous)}`, {
    previous,
    path,
  })
}

function decodeLine(line: string): Entry {
  const entry = JSON.parse(line)
  if (typeof entry !== 'object' || entry === null) throw invalid('not an object')
  if (encodeEntry(entry) !== `${line}\n`) throw invalid('not in canonical form')
  return entry
}

/**
 * The entries of a piece that came from anywhere: one or more canonical lines (byte for byte what
 * {@link encodeEntry} makes of the entry) in strictly ascending order of their paths.
 *
 * @param name what messages call the piece: its digest, say.
 * @throws `PIECE_INVALID`, with the number of the line (from 1) in the message and in `details`;
 *   also for more than {@link MAX_PIECE_BYTES} and for bytes that are not UTF-8.
 */
export function decodePiece(bytes: Uint8Array, name: string): Entry[] {
  if (bytes.length > MAX_PIECE_BYTES) {
    throw invalid(`piece ${name}: ${bytes.length} bytes are more than ${MAX_PIECE_BYTES}`)
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new ArtifactError('PIECE_INVALID', `piece ${name}: not UTF-8`, { cause })
  }
  const lines = text.split('\n')
  if (lines.pop() !== '' || lines.length === 0) {
    throw invalid(`piece ${name}, line ${lines.length + 1}: not ended by a line feed`)
  }
  let previous: string | undefined
  return lines.map((line, i) => {
    try {
      const entry = decodeLine(line)
      checkPieceOrder(previous, entry.path)
      previous = entry.path
      return entry
    } catch (cause) {
      const reason = (cause as Error).message
      throw new ArtifactError('PIECE_INVALID', `piece ${name}, line ${i + 1}: ${reason}`, {
        cause,
        details: { piece: name, line: i + 1 },
      })
    }
  })
}

/**
 * The entries of a piece that {@link decodePiece} took, or that was made here: without another look
 * at each line, in a fifth of the time.
 */
export function parsePiece(bytes: Uint8Array): Entry[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  // In JSON a line feed stands between values only.
  return JSON.parse(`[${text.slice(0, -1).replaceAll('\n', ',')}]`)
}

/** The canonical bytes of a piece, and the number of its entries. */
export interface PieceBytes {
  bytes: Uint8Array
  count: number
}

/**
 * Cuts canonical lines into pieces. A piece ends after an entry if it then has
 * {@link CUT_MIN_BYTES} or more and the low 9 bits of {@link hashPath} of the entry's path are
 * zero, or if it has {@link CUT_MAX_BYTES} or more. The rule is part of the format: equal runs of
 * entries make equal pieces in any artifact. Holds the piece in progress and nothing else.
 */
export class PieceCutter {
  readonly #buffer = new ByteBuffer(4096)
  #count = 0
  #previous: string | undefined

  /**
   * Takes the next entry: what {@link encodeEntry} made of it, and its path. Answers the piece
   * that it ended, if it did.
   *
   * @throws `PIECE_INVALID` when the path does not come after the previous one.
   */
  push(line: string, path: string): PieceBytes | undefined {
    checkPieceOrder(this.#previous, path)
    this.#previous = path
    this.#buffer.addText(line)
    this.#count++
    if (this.#buffer.length < CUT_MIN_BYTES) return undefined
    return this.#isDue(hashPath(path)) ? this.end() : undefined
  }

  /** As {@link push}, of the file that a run stands at; those of a run come one after another. */
  pushFile(files: RunEncoder): PieceBytes | undefined {
    if (files.index === 0) checkPieceOrder(this.#previous, files.path)
    if (files.index === files.count - 1) this.#previous = files.path
    this.#buffer.length = files.writeLine(this.#buffer.reserve(files.room), this.#buffer.length)
    this.#count++
    if (this.#buffer.length < CUT_MIN_BYTES) return undefined
    return this.#isDue(files.pathHash) ? this.end() : undefined
  }

  /** The next entry begins a piece. */
  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Answers the rest, or undefined when nothing was pushed since the last piece. */
  end(): PieceBytes | undefined {
    if (this.#count === 0) return undefined
    const bytes = new Uint8Array(this.#buffer.bytes)
    const count = this.#count
    this.#buffer.length = 0
    this.#count = 0
    return { bytes, count }
  }

  #isDue(hash: number): boolean {
    return this.#buffer.length >= CUT_MAX_BYTES || (hash & CUT_MASK) === 0
  }
}
