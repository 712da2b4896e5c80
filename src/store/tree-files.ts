import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, sep } from 'node:path'
import type { PlacedKey } from '../catalog/catalog.js'
import { ArtifactError, type ErrorData, storeError, systemCode } from '../errors.js'
import { type Hasher, type HasherSet, hashBytes } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf, type Digest } from '../model/digest.js'
import { homePaths, objectPath } from '../model/home.js'
import { LARGE_BYTES } from './file-ingester.js'
import { isShared, type LinkMode, type ObjectLinker } from './object-linker.js'
import { exposeObjects, isTrusted, noteHashed, statObject } from './object-trust.js'
import { blobError, blobFile, isLoss, readBlob, type WholePlace } from './read-blob.js'
import { fileError } from './source-file.js'
import { conflict, type TreePaths } from './tree-path.js'

const READ_BYTES = 1024 * 1024

export interface TreeItem {
  path: string
  digest: Digest
  size: number
}

export function fileKey({ digest, size }: TreeItem): BlobKey {
  return { kind: 'blob', digest, size }
}

/** A blob that is kept in chunks, and where they lie, in their order. */
export interface ChunkedPlace {
  in: 'chunks'
  chunks: PlacedKey[]
}

export interface PlacedItem extends TreeItem {
  place: WholePlace | ChunkedPlace
}

/** What stands at an entry's path: nothing, its content, or something else. */
export type TreeState =
  | { is: 'absent' }
  | { is: 'same' }
  | { is: 'other'; digest: Digest; size: number }
  | { is: 'conflict'; error: ErrorData }

/** Compares files of a folder with entries, reading the content of those of equal size. */
export async function checkTree(
  paths: TreePaths,
  items: TreeItem[],
  { home, hashers }: { home: string; hashers: HasherSet },
): Promise<TreeState[]> {
  const states: TreeState[] = []
  for (const item of items) {
    const hasher = await hashers.get(algorithmOf(item.digest))
    states.push(checkFile(paths, item, { home, hasher }))
  }
  return states
}

function checkFile(
  paths: TreePaths,
  item: TreeItem,
  { home, hasher }: { home: string; hasher: Hasher },
): TreeState {
  try {
    const file = paths.resolve(item.path)
    const stat = file === null ? undefined : statIfThere(file, home)
    if (!file || !stat) return { is: 'absent' }
    if (!stat.isFile()) throw conflict(file, 'is not a regular file')
    const digest = hashFile(file, hasher)
    const same = digest === item.digest && stat.size === item.size
    return same ? { is: 'same' } : { is: 'other', digest, size: stat.size }
  } catch (error) {
    if (error instanceof ArtifactError) return { is: 'conflict', error: error.toJSON() }
    throw error
  }
}

/** Follows a link only if it leads to an object of the store, as a checkout makes them. */
function statIfThere(file: string, home: string): Stats | undefined {
  try {
    const stat = lstatSync(file)
    const objects = homePaths(home).objects + sep
    const isOurs = stat.isSymbolicLink() && readlinkSync(file).startsWith(objects)
    return isOurs ? statSync(file) : stat
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(error, file)
  }
}

function hashFile(file: string, hasher: Hasher): Digest {
  hasher.init()
  try {
    readFile(file, bytes => hasher.update(bytes))
  } catch (error) {
    throw fileError(error, file)
  }
  return hasher.digest()
}

export interface WriteOptions {
  /** Nobody sees the folder before it is complete. */
  unseen: boolean
  link: LinkMode
  /** Hash objects that are not copied, rather than trust their recorded stat. */
  verify: boolean
}

interface Writing extends WriteOptions {
  home: string
  hashers: HasherSet
  linker: ObjectLinker
}

/**
 * Writes entries to their files. Unless the folder is `unseen` until it is complete, each is written
 * under another name and renamed when its bytes have been verified: a file is there whole and
 * right, or as it was before.
 * @returns for each null, or the `BLOB_DAMAGED` or `BLOB_MISSING` for which it was not written.
 * @throws `LINK_REFUSED`.
 */
export async function writeTree(
  paths: TreePaths,
  items: PlacedItem[],
  writing: Writing,
): Promise<(ErrorData | null)[]> {
  const { home, hashers, link, unseen } = writing
  const losses: (ErrorData | null)[] = items.map(() => null)
  const shared: Digest[] = []
  for (const [index, item] of items.entries()) {
    if (!isShared(link) || item.place.in !== 'object') continue
    const hasher = await hashers.get(algorithmOf(item.digest))
    losses[index] = await listLoss(() => checkObject(item, { ...writing, hasher }))
    if (!losses[index]) shared.push(item.digest)
  }
  exposeObjects(home, shared)
  for (const [index, item] of items.entries()) {
    if (losses[index]) continue
    const hasher = await hashers.get(algorithmOf(item.digest))
    const file = paths.resolve(item.path, { create: true })!
    const name = `.artifact-${randomBytes(6).toString('hex')}`
    const temporary = unseen ? file : join(dirname(file), name)
    losses[index] = await listLoss(() => writeEntry(item, { ...writing, hasher, file, temporary }))
  }
  return losses
}

/** The error of a blob that cannot be read; throws any other. */
async function listLoss(work: () => Promise<void>): Promise<ErrorData | null> {
  try {
    await work()
    return null
  } catch (error) {
    if (isLoss(error)) return error.toJSON()
    throw error
  }
}

type WritingEntry = Writing & { hasher: Hasher; file: string; temporary: string }

async function writeEntry(item: PlacedItem, writing: WritingEntry): Promise<void> {
  const { file, temporary } = writing
  try {
    await fillFile(item, writing)
    if (temporary === file) return
    renameSync(temporary, file)
    // To rename one hard link to another of the same file does nothing.
    if (writing.link === 'hardlink') rmSync(temporary, { force: true })
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST')
      throw conflict(file, 'is another entry here: the file system has one name')
    rmSync(temporary, { force: true })
    if (code === 'EISDIR') throw conflict(file, 'is a folder')
    throw storeError(error, `writing ${file}`)
  }
}

/** Makes the new file `temporary`. */
async function fillFile(item: PlacedItem, { temporary, ...writing }: WritingEntry): Promise<void> {
  const { home, hasher, linker, link } = writing
  const object = item.place.in === 'object' ? objectPath(home, item.digest) : undefined
  if (object && isShared(link)) {
    linker.share(object, temporary, link)
    return
  }
  if (object && link === 'reflink' && linker.clones) {
    await checkObject(item, writing)
    if (linker.clone(object, temporary)) return
  }
  const out = openSync(temporary, 'wx', 0o666)
  try {
    await copyVerified(home, item, hasher, bytes => writeFileSync(out, bytes))
  } finally {
    closeSync(out)
  }
}

/** Hashes an object that is to be used as it is, unless its stat is to be trusted and may be. */
async function checkObject(
  item: PlacedItem,
  { home, hasher, verify }: { home: string; hasher: Hasher; verify: boolean },
): Promise<void> {
  const { digest, size } = item
  if (!verify && isTrusted(home, { kind: 'blob', digest, size })) return
  await copyVerified(home, item, hasher, () => {})
}

/**
 * Reads the blobs again and compares their digests.
 * @returns for each null, or why it cannot be read.
 */
export async function verifyBlobs(
  home: string,
  items: PlacedItem[],
  { hashers }: { hashers: HasherSet },
): Promise<(ErrorData | null)[]> {
  const results: (ErrorData | null)[] = []
  for (const item of items) {
    const hasher = await hashers.get(algorithmOf(item.digest))
    try {
      await copyVerified(home, item, hasher, () => {})
      results.push(null)
    } catch (error) {
      results.push(storeError(error, `reading ${item.path}`).toJSON())
    }
  }
  return results
}

/** Hands on the bytes of a blob; throws, after the last of them, when they are not the right ones. */
async function copyVerified(
  home: string,
  item: PlacedItem,
  hasher: Hasher,
  use: (bytes: Uint8Array) => void,
): Promise<void> {
  const key = fileKey(item)
  const { place } = item
  const take = (bytes: Uint8Array) => {
    hasher.update(bytes)
    use(bytes)
  }
  try {
    const stat = place.in === 'object' ? statObject(home, item.digest) : undefined
    hasher.init()
    if (place.in === 'chunks') {
      for (const chunk of place.chunks) take(await readBlob(home, chunk.key, chunk.location))
    } else if (place.in === 'pack' || item.size < LARGE_BYTES) {
      const bytes = await readBlob(home, key, place)
      if (hashBytes(hasher, bytes) !== item.digest) throw damaged(item)
      use(bytes)
      return
    } else {
      readFile(blobFile(home, key, place)!, take)
    }
    if (hasher.digest() !== item.digest) throw damaged(item)
    if (stat) noteHashed(home, item.digest, stat)
  } catch (error) {
    const coded = blobError(error, key)
    const { code, details } = coded
    if (code !== 'BLOB_DAMAGED' && code !== 'BLOB_MISSING') throw coded
    const what = code === 'BLOB_DAMAGED' ? 'is damaged in the store' : 'is gone from the store'
    throw new ArtifactError(code, `"${item.path}" ${what} (${item.digest})`, {
      cause: coded,
      details: { ...details, path: item.path },
    })
  }
}

function damaged({ path, digest }: PlacedItem): ArtifactError {
  return new ArtifactError('BLOB_DAMAGED', `the bytes of "${path}" are not those of ${digest}`, {
    details: { path, digest },
  })
}

function readFile(file: string, use: (bytes: Uint8Array) => void): void {
  const fd = openSync(file, 'r')
  try {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, fstatSync(fd).size + 1))
    for (;;) {
      const read = readSync(fd, buffer, 0, buffer.length, null)
      if (read === 0) return
      use(buffer.subarray(0, read))
    }
  } finally {
    closeSync(fd)
  }
}
