import { ArtifactError, storeError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Digest, parseDigest } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { decodePiece } from '../model/piece.js'
import { type LogRequest, MAX_BATCH } from './catalog.js'
import { decodeExternal } from './index-external.js'
import { keys } from './keys.js'
import { readPacked } from './read-packed.js'
import type { Transaction } from './transaction.js'

type Request = Pick<LogRequest, 'epoch' | 'version' | 'external'>

/**
 * Makes sure that nothing a version needs was removed since its request's epoch: if that moved,
 * every piece and blob must have a place, or be a file that the version itself lists as external.
 * @throws `BLOB_MISSING`, naming the path, for the first that has none.
 */
export async function checkContent(
  txn: Transaction,
  home: string,
  { epoch, version, external = [] }: Request,
): Promise<void> {
  if (epoch === undefined || epoch === (await txn.get(keys.epoch))) return
  const outside = new Set<Digest>()
  for (const piece of external) {
    const bytes = await readKey(txn, home, { ...piece, kind: 'blob' })
    for (const { digest } of decodeExternal(bytes)) outside.add(digest)
  }
  for (const piece of version.pieces) {
    const entries = await readEntries(txn, home, piece)
    const files = entries.filter(
      ({ ref, digest }) => ref === undefined && !outside.has(digest as Digest),
    )
    for (let start = 0; start < files.length; start += MAX_BATCH) {
      await checkFiles(txn, files.slice(start, start + MAX_BATCH))
    }
  }
}

async function readEntries(txn: Transaction, home: string, piece: Piece): Promise<Entry[]> {
  const bytes = await readKey(txn, home, { ...piece, kind: 'piece' })
  return decodePiece(bytes, piece.digest)
}

async function readKey(txn: Transaction, home: string, key: BlobKey): Promise<Uint8Array> {
  const { kind, digest, size } = key
  const [location] = await txn.locate([key])
  if (location?.in !== 'pack') throw removed(`the ${kind} ${digest}`, { kind, digest })
  try {
    return await readPacked(home, { kind, digest, size }, location)
  } catch (error) {
    throw storeError(error, `reading ${digest}`)
  }
}

async function checkFiles(txn: Transaction, files: Entry[]): Promise<void> {
  const refs = files.map(({ digest }) => ({ kind: 'blob' as const, digest: parseDigest(digest) }))
  const locations = await txn.locate(refs)
  const recipes = await txn.locate(refs.map(({ digest }) => ({ kind: 'recipe', digest })))
  for (const [index, { path, digest, size }] of files.entries()) {
    if (locations[index]?.size === size || recipes[index]?.size === size) continue
    throw removed(`the bytes of "${path}"`, { path, digest })
  }
}

function removed(what: string, details: Record<string, unknown>): ArtifactError {
  const message = `${what} turned out damaged and left the store meanwhile`
  return new ArtifactError('BLOB_MISSING', message, { details })
}
