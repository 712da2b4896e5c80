import type { Piece } from '../model/entry.js'
import type { ExternalFile } from './catalog.js'
import { MAX_BATCH } from './catalog.js'
import { keys, locationKey } from './keys.js'
import { readPacked } from './read-packed.js'
import { type Database, locateIn } from './transaction.js'

/** Places remembered for one digest; older ones are forgotten first. */
const MAX_PLACES = 8

/** One line of JSON for each external file; the pieces are blobs of the store that holds them. */
export function encodeExternal(files: ExternalFile[]): Buffer {
  return Buffer.from(files.map(file => `${JSON.stringify(file)}\n`).join(''), 'utf8')
}

export function decodeExternal(bytes: Uint8Array): ExternalFile[] {
  const lines = Buffer.from(bytes).toString('utf8').split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line) as ExternalFile)
}

/** Makes the files that these pieces list findable by their digest. Repeating it is harmless. */
export async function indexExternal(db: Database, home: string, pieces: Piece[]): Promise<void> {
  for (const piece of pieces) {
    const files = await readExternalPiece(db, home, piece)
    for (let start = 0; start < files.length; start += MAX_BATCH) {
      const part = files.slice(start, start + MAX_BATCH)
      const known = await db.getMany(part.map(({ digest }) => keys.external(digest)))
      const rows = new Map<string, ExternalFile[]>()
      part.forEach((file, index) => {
        const key = keys.external(file.digest)
        const before = rows.get(key) ?? (known[index] as ExternalFile[] | undefined) ?? []
        const others = before.filter(other => other.file !== file.file)
        rows.set(key, [...others, file].slice(-MAX_PLACES))
      })
      await db.batch([...rows].map(([key, value]) => ({ type: 'put' as const, key, value })))
    }
  }
}

async function readExternalPiece(db: Database, home: string, piece: Piece) {
  const key = { kind: 'blob' as const, digest: piece.digest, size: piece.size }
  const [location] = await locateIn(db, [locationKey(key)])
  return location?.in === 'pack' ? decodeExternal(await readPacked(home, key, location)) : []
}
