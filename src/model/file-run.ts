import { isCanonicalPath, MAX_PART_BYTES, MAX_PATH_BYTES } from './artifact-path.js'
import { ALGORITHMS, type Algorithm, digestFromBytes } from './digest.js'
import type { Entry } from './entry.js'
import { beginPathHash, endPathHash } from './path-hash.js'

/** Files of one folder that follow each other in a manifest; a column for what is known of each. */
export interface FileRun {
  /** What their paths begin with: '' or a path that ends in a slash. */
  prefix: string
  /** In UTF-8, ascending, each ended by a NUL. */
  names: Uint8Array
  sizes: Float64Array
  /** One after another, of the bytes that the algorithm has. */
  digests: Uint8Array
}

const LF = 0x0a
const SPACE = 0x20
const QUOTE = 0x22
const ZERO = 0x30
const COLON = 0x3a
const BACKSLASH = 0x5c
const BRACE = 0x7d
const HEX = Buffer.from('0123456789abcdef')
const BASE64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=')
const PAD = 64
/** Digits of the largest safe integer. */
const SIZE_DIGITS = 16

/** The entries of a run. */
export function* listRun(run: FileRun, algorithm: Algorithm): Generator<Entry, void, undefined> {
  for (const [index, name] of splitNames(run.names).entries()) {
    yield entryAt(run, index, { path: run.prefix + name, algorithm })
  }
}

/** The entry of one file, by its place among the others. */
export function entryAt(
  { sizes, digests }: Pick<FileRun, 'sizes' | 'digests'>,
  index: number,
  { path, algorithm }: { path: string; algorithm: Algorithm },
): Entry {
  const width = ALGORITHMS[algorithm].bytes
  const bytes = digests.subarray(index * width, (index + 1) * width)
  return { path, digest: digestFromBytes(algorithm, bytes), size: sizes[index]! }
}

/** @returns memory of its own, which may move between threads. */
export function joinNames(names: string[]): Uint8Array {
  return new TextEncoder().encode(names.map(name => `${name}\0`).join(''))
}

export function splitNames({ buffer, byteOffset, byteLength }: Uint8Array): string[] {
  const names = Buffer.from(buffer, byteOffset, byteLength).toString('utf8').split('\0')
  names.pop()
  return names
}

/**
 * Whether the lines of a run are its bytes as they are: its paths are canonical, and JSON writes
 * each as it is.
 */
export function isPlain({ prefix, names }: FileRun): boolean {
  if (prefix === '' ? hasDrive(names) : !isCanonicalPath(`${prefix}_`)) return false
  if (JSON.stringify(prefix) !== `"${prefix}"`) return false
  if (Buffer.byteLength(prefix) + MAX_PART_BYTES > MAX_PATH_BYTES) return false
  let length = 0
  for (const byte of names) {
    length = byte === 0 ? 0 : length + 1
    if (byte < SPACE ? byte !== 0 : byte === QUOTE || byte === BACKSLASH) return false
    if (length > MAX_PART_BYTES) return false
  }
  return true
}

/** Whether a name may be that of a drive, which no path begins with. */
function hasDrive(names: Uint8Array): boolean {
  return names.includes(COLON)
}

/**
 * Writes what the manifest of a version has of the files of a run, byte by byte: as texts they would
 * take ten times as long. Stands at one file after another.
 */
export class RunEncoder {
  /** The place of the file that it stands at. */
  index = 0
  readonly count: number
  readonly #run: FileRun
  readonly #width: number
  readonly #prefix: Uint8Array
  readonly #prefixHash: number
  /** The line up to the digest, and from there to the path. */
  readonly #head: Uint8Array
  readonly #middle: Uint8Array
  readonly #tail = Buffer.from('","size":')
  #start = 0
  #end = 0

  /** @param run see {@link isPlain}; it has a file. */
  constructor(run: FileRun, algorithm: Algorithm) {
    this.#run = run
    this.#width = ALGORITHMS[algorithm].bytes
    this.#prefix = Buffer.from(run.prefix, 'utf8')
    this.#prefixHash = beginPathHash(this.#prefix)
    this.#head = Buffer.from(`{"digest":"${algorithm}:`)
    this.#middle = Buffer.concat([Buffer.from('","path":"'), this.#prefix])
    this.count = run.sizes.length
    this.#end = run.names.indexOf(0)
  }

  /** Goes on to the next file. */
  next(): void {
    this.index += 1
    this.#start = this.#end + 1
    this.#end = this.#run.names.indexOf(0, this.#start)
  }

  get path(): string {
    const name = this.#run.names.subarray(this.#start, this.#end)
    return this.#run.prefix + Buffer.from(name).toString('utf8')
  }

  get size(): number {
    return this.#run.sizes[this.index]!
  }

  /** See `hashPath`. */
  get pathHash(): number {
    return endPathHash(this.#prefixHash, this.#run.names, this.#start, this.#end)
  }

  /** No line takes more bytes. */
  get room(): number {
    const fixed = this.#head.length + this.#middle.length + this.#tail.length + 2
    return fixed + 2 * this.#width + (this.#end - this.#start) + SIZE_DIGITS
  }

  /** Writes what `encodeEntry` makes of the file. @returns where it ends. */
  writeLine(to: Uint8Array, at: number): number {
    let end = copy(this.#head, 0, this.#head.length, to, at)
    const { digests, names } = this.#run
    const first = this.index * this.#width
    for (let from = first; from < first + this.#width; from += 1) {
      const byte = digests[from]!
      to[end] = HEX[byte >>> 4]!
      to[end + 1] = HEX[byte & 15]!
      end += 2
    }
    end = copy(this.#middle, 0, this.#middle.length, to, end)
    end = copy(names, this.#start, this.#end, to, end)
    end = copy(this.#tail, 0, this.#tail.length, to, end)
    end = writeNumber(this.size, to, end)
    to[end] = BRACE
    to[end + 1] = LF
    return end + 2
  }

  /** Writes what `manifestDigestLine` makes of the file. @returns where it ends. */
  writeDigestLine(to: Uint8Array, at: number): number {
    let end = copy(this.#prefix, 0, this.#prefix.length, to, at)
    end = copy(this.#run.names, this.#start, this.#end, to, end)
    to[end] = COLON
    end = writeBase64(this.#run.digests, this.index * this.#width, this.#width, to, end + 1)
    to[end] = LF
    return end + 1
  }
}

function copy(
  from: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  toStart: number,
): number {
  let at = toStart
  for (let next = start; next < end; next += 1, at += 1) to[at] = from[next]!
  return at
}

function writeNumber(value: number, to: Uint8Array, at: number): number {
  let digits = 1
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1
  let rest = value
  for (let place = at + digits - 1; place >= at; place -= 1) {
    to[place] = ZERO + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return at + digits
}

function writeBase64(
  from: Uint8Array,
  start: number,
  length: number,
  to: Uint8Array,
  at: number,
): number {
  let place = at
  for (let done = 0; done < length; done += 3) {
    const left = length - done
    const a = from[start + done]!
    const b = left > 1 ? from[start + done + 1]! : 0
    const c = left > 2 ? from[start + done + 2]! : 0
    to[place] = BASE64[a >>> 2]!
    to[place + 1] = BASE64[((a & 3) << 4) | (b >>> 4)]!
    to[place + 2] = BASE64[left > 1 ? ((b & 15) << 2) | (c >>> 6) : PAD]!
    to[place + 3] = BASE64[left > 2 ? c & 63 : PAD]!
    place += 4
  }
  return place
}
