import type { Digest } from '../model/digest.js'
import type { ChunkPlace, FolderCache, ObjectChunk, ReferenceContent } from './caches.js'
import { keys } from './keys.js'
import type { Database } from './transaction.js'

// What the index remembers that is in no journal: see the methods of `Catalog` with these names.

export async function findReferences(
  db: Database,
  names: string[],
): Promise<({ digest: Digest; size: number } | null)[]> {
  const rows = await db.getMany(names.map(keys.reference))
  return rows.map(row => (row as { digest: Digest; size: number } | undefined) ?? null)
}

export async function rememberReferences(
  db: Database,
  contents: ReferenceContent[],
): Promise<void> {
  await db.batch(
    contents.map(({ name, digest, size }) => ({
      type: 'put' as const,
      key: keys.reference(name),
      value: { digest, size },
    })),
  )
}

export async function findChunks(db: Database, digests: Digest[]): Promise<(ChunkPlace | null)[]> {
  const rows = await db.getMany(digests.map(keys.chunk))
  return rows.map(row => (row as ChunkPlace | undefined) ?? null)
}

export async function rememberChunks(
  db: Database,
  object: Digest,
  chunks: ObjectChunk[],
): Promise<void> {
  await db.batch(
    chunks.map(({ digest, offset }) => ({
      type: 'put' as const,
      key: keys.chunk(digest),
      value: { object, offset } satisfies ChunkPlace,
    })),
  )
}

export async function getFolders(db: Database, folders: string[]): Promise<(string | null)[]> {
  const found = await db.getMany<string, Buffer>(folders.map(keys.folder), {
    valueEncoding: 'buffer',
  })
  return found.map(value => value?.toString('base64') ?? null)
}

export async function putFolders(db: Database, folders: FolderCache[]): Promise<void> {
  await db.batch<string, Buffer>(
    folders.map(({ folder, record }) => ({
      type: 'put',
      key: keys.folder(folder),
      value: Buffer.from(record, 'base64'),
    })),
    { valueEncoding: 'buffer' },
  )
}

export async function noteUse(db: Database, ids: string[], value: number): Promise<void> {
  await db.batch(ids.map(id => ({ type: 'put' as const, key: keys.used(id), value })))
}
