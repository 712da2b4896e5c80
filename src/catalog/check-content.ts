import { isDeepStrictEqual } from 'node:util'
import { decodeRecipe } from '../chunk/recipe.js'
import { ArtifactError, storeError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Digest, parseDigest } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { decodePiece } from '../model/piece.js'
import type { VersionRow } from './apply-record.js'
import { type KeyRef, type Location, type LogRequest, MAX_BATCH } from './catalog.js'
import { decodeExternal } from './index-external.js'
import { keys } from './keys.js'
import { readPacked } from './read-packed.js'
import type { Transaction } from './transaction.js'

type Request = Pick<LogRequest, 'epoch' | 'version' | 'external' | 'base'>

/**
 * Makes sure that nothing a version needs was removed since its request's epoch: if that moved,
 * every piece must have a place, and every blob, or be a file that the version itself lists as
 * external, or come from a base that a remote has.
 * @throws `BLOB_MISSING`, naming the path, for the first that has none.
 */
export async function checkContent(
  txn: Transaction,
  home: string,
  { epoch, version, external = [], base }: Request,
): Promise<void> {
  if (epoch === undefined || epoch === (await txn.get(keys.epoch))) return
  const outside = new Set<Digest>()
  for (const piece of external) {
    const bytes = await readKey(txn, home, { ...piece, kind: 'blob' })
    for (const { digest } of decodeExternal(bytes)) outside.add(digest)
  }
  const inherited = await findInherited(txn, base)
  const absent = new Map<string, Entry>()
  for (const piece of version.pieces) {
    if (inherited.delete(piece.digest)) {
      await locateKey(txn, { ...piece, kind: 'piece' })
      continue
    }
    const entries = await readEntries(txn, home, piece)
    const files = entries.filter(
      ({ ref, digest }) => ref === undefined && !outside.has(digest as Digest),
    )
    for (let start = 0; start < files.length; start += MAX_BATCH) {
      for (const entry of await listAbsent(txn, home, files.slice(start, start + MAX_BATCH))) {
        absent.set(entry.path, entry)
      }
    }
    if (inherited.size === 0) expectNone(absent)
  }
  if (absent.size === 0) return
  for (const piece of inherited.values()) {
    for (const known of await readEntries(txn, home, piece)) {
      if (isDeepStrictEqual(absent.get(known.path), known)) absent.delete(known.path)
    }
  }
  expectNone(absent)
}

/** The pieces of a base that a remote has. */
async function findInherited(
  txn: Transaction,
  base: string | undefined,
): Promise<Map<Digest, Piece>> {
  const row = base === undefined ? undefined : await txn.get<VersionRow>(keys.version(base))
  if (row?.state !== 'synced') return new Map()
  const pieces = (await txn.get<Piece[]>(keys.pieces(row.id))) ?? []
  return new Map(pieces.map(piece => [piece.digest, piece]))
}

async function readEntries(txn: Transaction, home: string, piece: Piece): Promise<Entry[]> {
  const bytes = await readKey(txn, home, { ...piece, kind: 'piece' })
  return decodePiece(bytes, piece.digest)
}

async function locateKey(txn: Transaction, key: BlobKey): Promise<Location & { in: 'pack' }> {
  const { kind, digest } = key
  const [location] = await txn.locate([key])
  if (location?.in === 'pack') return location
  throw removed(`the ${kind} ${digest}`, { kind, digest })
}

async function readKey(txn: Transaction, home: string, key: BlobKey): Promise<Uint8Array> {
  const { kind, digest, size } = key
  const location = await locateKey(txn, key)
  try {
    return await readPacked(home, { kind, digest, size }, location)
  } catch (error) {
    throw storeError(error, `reading ${digest}`)
  }
}

async function listAbsent(txn: Transaction, home: string, files: Entry[]): Promise<Entry[]> {
  const refs = files.map(({ digest }) => ({ kind: 'blob' as const, digest: parseDigest(digest) }))
  const locations = await txn.locate(refs)
  const recipes = await txn.locate(refs.map(({ digest }) => ({ kind: 'recipe', digest })))
  const absent: Entry[] = []
  for (const [index, file] of files.entries()) {
    if (locations[index]?.size === file.size) continue
    const recipe = recipes[index]
    const isSame = recipe?.size === file.size
    if (!isSame || !(await hasChunks(txn, home, refs[index]!, recipe))) absent.push(file)
  }
  return absent
}

function expectNone(absent: Map<string, Entry>): void {
  const [first] = absent.values()
  if (!first) return
  const { path, digest } = first
  throw removed(`the bytes of "${path}"`, { path, digest })
}

async function hasChunks(
  txn: Transaction,
  home: string,
  { digest }: KeyRef,
  location: Location,
): Promise<boolean> {
  const key = { kind: 'recipe' as const, digest, size: location.size }
  const recipe = decodeRecipe(key, Buffer.from(await readKey(txn, home, key)))
  for (const batch of recipe.batches(MAX_BATCH)) {
    const places = await txn.locate(batch.map(chunk => chunk.key))
    if (places.includes(null)) return false
  }
  return true
}

function removed(what: string, details: Record<string, unknown>): ArtifactError {
  const message = `${what} turned out damaged and left the store meanwhile`
  return new ArtifactError('BLOB_MISSING', message, { details })
}
