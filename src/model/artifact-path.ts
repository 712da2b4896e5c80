import { inspect } from 'node:util'
import { ArtifactError } from '../errors.js'

/** PATH_MAX of Linux, in bytes of UTF-8. */
export const MAX_PATH_BYTES = 4096

/** NAME_MAX of the usual file systems, in bytes of UTF-8. */
export const MAX_PART_BYTES = 255

const PARENT = /(?:^|\/)\.\.(?:\/|$)/
const DRIVE = /^[A-Za-z]:(?:[\\/]|$)/

// Everything but lengths: parts that are neither empty nor "." nor "..", no drive, no LF and NUL
// (the artifact digest could not tell them apart), no lone surrogates (UTF-8 cannot hold them).
const PART = /(?!\.{1,2}(?:\/|$))[^/\n\0\p{Cs}]+/u.source
const CANONICAL = new RegExp(`^(?!${DRIVE.source})${PART}(?:/${PART})*$`, 'u')

function isTooLong(path: string): boolean {
  // A code unit takes at most three bytes.
  if (path.length * 3 <= MAX_PART_BYTES) return false
  if (path.length > MAX_PATH_BYTES || Buffer.byteLength(path) > MAX_PATH_BYTES) return true
  return path.split('/').some(part => Buffer.byteLength(part) > MAX_PART_BYTES)
}

/**
 * Whether a path is what {@link normalizeArtifactPath} answers. To be asked of every path that
 * comes from outside.
 */
export function isCanonicalPath(path: string): boolean {
  return !isTooLong(path) && CANONICAL.test(path)
}

function explain(given: string, canonical: string): string {
  if (given === '') return 'it is empty'
  if (given.startsWith('/')) return 'it is absolute'
  if (/[\n\0]/.test(given)) return 'it has a line feed or a NUL'
  if (/\p{Cs}/u.test(given)) return 'it is not representable in UTF-8'
  if (PARENT.test(given)) return 'it has a ".." part'
  if (canonical === '') return 'it names the artifact itself'
  if (DRIVE.test(canonical)) return 'it begins with a drive'
  return `it is longer than ${MAX_PATH_BYTES} bytes, or a part than ${MAX_PART_BYTES}`
}

/**
 * The canonical form of a path in an artifact: relative, "/" between its parts, no empty part and
 * no "." (`a//b` is `a/b`, `./q/` is `q`). A backslash is an ordinary character.
 *
 * @throws `INVALID_PATH` for the empty path, ".", any ".." part, an absolute path or one with a
 *   drive (`C:/x`, `C:\x`), LF, NUL, lone surrogates, more than 4096 bytes of UTF-8 or 255 in a
 *   part; `TypeError` when it is not a string.
 */
export function normalizeArtifactPath(path: unknown): string {
  if (typeof path !== 'string') {
    throw new TypeError(`a path must be a string, not ${inspect(path, { depth: 0 })}`)
  }
  if (isCanonicalPath(path)) return path
  const canonical = path
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/')
  if (!path.startsWith('/') && isCanonicalPath(canonical)) return canonical
  const shown = inspect(path, { maxStringLength: 200 })
  throw new ArtifactError('INVALID_PATH', `invalid path ${shown}: ${explain(path, canonical)}`, {
    details: { path },
  })
}

/** The folders that a path lies in, innermost first: of `a/b/c` they are `a/b` and `a`. */
export function* foldersAbove(path: string): Generator<string, void, undefined> {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    yield path.slice(0, at)
  }
}

/**
 * The order of the UTF-8 bytes of two strings (of code points, which is the same), as
 * `Buffer.compare` gives it, without encoding them. Negative, zero or positive. Plain `<` differs:
 * it puts surrogates, which are the code points from U+10000 on, before U+E000.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) {
      const both = x >= 0xd800 && y >= 0xd800
      return both ? rank(x) - rank(y) : x - y
    }
  }
  return a.length - b.length
}

/** Moves the surrogates above U+E000..U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000
}
