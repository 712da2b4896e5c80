import { manifestDigestLine } from './artifact-digest.js'
import { ALGORITHMS, type Algorithm } from './digest.js'
import type { Entry } from './entry.js'
import { encodeEntry, encodeFile } from './piece.js'

/** What the manifest of a version holds of one entry. */
export interface ManifestLine {
  path: string
  size: number
  /** Its line in a piece, see `encodeEntry`. */
  line: string
  /** Its line under the artifact digest, see `manifestDigestLine`. */
  digestLine: string
}

export function encodeManifestLine(entry: Entry): ManifestLine {
  const { path, size } = entry
  return { path, size, line: encodeEntry(entry), digestLine: manifestDigestLine(entry) }
}

/** Digests that are made text at once. */
const RUN = 1024

/**
 * Encodes files whose digests lie one after another: many of them as text in two calls of the engine,
 * which is a third of the time that each by itself would take.
 *
 * @returns what encodes the file at a place among the digests. @throws `INVALID_PATH`
 */
export function createFileEncoder(
  algorithm: Algorithm,
  digests: Uint8Array,
): (index: number, path: string, size: number) => ManifestLine {
  const width = ALGORITHMS[algorithm].bytes
  const text = createBase64(width)
  let run = -1
  let hex = ''
  let base64 = ''
  return (index, path, size) => {
    const at = index % RUN
    if (index - at !== run) {
      run = index - at
      const bytes = digests.subarray(run * width, (run + RUN) * width)
      hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
      base64 = text.encode(bytes)
    }
    const digest = `${algorithm}:${hex.slice(at * width * 2, (at + 1) * width * 2)}`
    const line = encodeFile(path, digest, size)
    return { path, size, line, digestLine: `${path}:${text.slice(base64, at)}\n` }
  }
}

/** Base64 has four characters for three bytes: so that digests can be told apart, each is padded. */
function createBase64(width: number) {
  const row = Math.ceil(width / 3) * 3
  const padding = '='.repeat(row - width)
  const digits = (row / 3) * 4
  return {
    encode(digests: Uint8Array): string {
      const rows = Buffer.alloc((digests.length / width) * row)
      for (let from = 0, to = 0; from < digests.length; from += width, to += row) {
        rows.set(digests.subarray(from, from + width), to)
      }
      return rows.toString('base64')
    },
    slice: (text: string, at: number) =>
      text.slice(at * digits, (at + 1) * digits - padding.length) + padding,
  }
}
