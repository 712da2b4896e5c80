import { type BigIntStats, createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ArtifactError, systemCode } from '../errors.js'
import { createHasher } from '../hash/hasher.js'
import { algorithmOf, isDigest } from '../model/digest.js'
import { checkAborted } from '../store/progress.js'
import { walkFolder } from '../store/walk-folder.js'
import { invalidUri } from './parse-uri.js'
import { referenceChanged, referenceError, referenceNotFound } from './reference-error.js'
import type {
  FoundReference,
  ListOptions,
  ReferenceEntry,
  ReferenceHandler,
} from './reference-handler.js'

/** Files that are hashed at a time: as many as the ingest takes in one batch. */
const HASHED_AT_ONCE = 64

/** `file:///path`: the digest is that of the content or, without checksum, of size and time. */
export const fileHandler: ReferenceHandler = {
  downloads: true,

  async *list(uri, options) {
    const path = toPath(uri)
    const stats = await statFile(path, uri)
    if (!stats.isDirectory()) {
      yield { ...(await describe(path, options)), path: basename(path), single: true }
      return
    }
    let waiting: { file: string; path: string }[] = []
    const flush = () => {
      const some = waiting
      waiting = []
      return Promise.all(
        some.map(async ({ file, path }) => ({
          ...(await describe(file, options)),
          path,
          single: false,
        })),
      )
    }
    for await (const found of walkFolder(path)) {
      checkAborted(options.signal)
      if (waiting.push(found) === HASHED_AT_ONCE) yield* await flush()
    }
    yield* await flush()
  },

  async open(entry, { from = 0, signal }) {
    const path = toPath(entry.ref)
    await compareStat(entry, path)
    return { from, body: read(entry, path, { from, signal }) }
  },

  async check(entry, { signal }) {
    const path = toPath(entry.ref)
    await compareStat(entry, path)
    if (!isDigest(entry.digest)) return
    const hasher = await createHasher(algorithmOf(entry.digest))
    hasher.init()
    for await (const part of read(entry, path, { from: 0, signal })) hasher.update(part)
    const digest = hasher.digest()
    if (digest !== entry.digest) throw referenceChanged(entry.ref, `its digest is ${digest}`)
  },
}

async function describe(
  file: string,
  { checksum, hashFile }: ListOptions,
): Promise<Pick<FoundReference, 'ref' | 'digest' | 'size'>> {
  const ref = pathToFileURL(file).href
  if (checksum) {
    const { digest, size } = await hashFile(file)
    return { ref, digest, size }
  }
  const stats = await statFile(file, ref)
  return { ref, digest: statDigest(stats), size: Number(stats.size) }
}

/** `stat:<size>-<mtime in ns>`. */
function statDigest({ size, mtimeNs }: BigIntStats): string {
  return `stat:${size}-${mtimeNs}`
}

async function compareStat({ ref, digest, size }: ReferenceEntry, path: string): Promise<void> {
  const stats = await statFile(path, ref)
  if (Number(stats.size) !== size) throw referenceChanged(ref, `it has ${stats.size} bytes`)
  if (digest.startsWith('stat:') && digest !== statDigest(stats)) {
    throw referenceChanged(ref, 'it was written to since')
  }
}

async function* read(
  entry: ReferenceEntry,
  path: string,
  options: { from: number; signal?: AbortSignal },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { from: start, signal } = options
  try {
    yield* createReadStream(path, { start, signal, highWaterMark: 1024 * 1024 })
  } catch (error) {
    throw fileFailure(error, entry.ref)
  }
  await compareStat(entry, path)
}

function toPath(uri: string): string {
  try {
    return fileURLToPath(uri)
  } catch (error) {
    throw invalidUri(uri, (error as Error).message)
  }
}

async function statFile(path: string, uri: string): Promise<BigIntStats> {
  let stats: BigIntStats
  try {
    stats = await stat(path, { bigint: true })
  } catch (error) {
    throw fileFailure(error, uri)
  }
  if (stats.isFile() || stats.isDirectory()) return stats
  throw new ArtifactError('FILE_UNSUPPORTED', `${path} is not a file or a folder`, {
    details: { file: path },
  })
}

function fileFailure(error: unknown, uri: string): ArtifactError {
  if (error instanceof ArtifactError) return error
  const { message } = error as Error
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return referenceNotFound(uri, message)
  return referenceError(uri, code === 'EACCES' || code === 'EPERM' ? 403 : undefined, message)
}
