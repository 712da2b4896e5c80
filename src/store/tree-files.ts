import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { PlacedKey } from '../catalog/catalog.js'
import { ArtifactError, type ErrorData, storeError, systemCode } from '../errors.js'
import { type HasherSet, hashBytes } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Algorithm, algorithmOf, type Digest } from '../model/digest.js'
import { objectPath } from '../model/home.js'
import { LARGE_BYTES } from './file-ingester.js'
import { isShared, type LinkMode, type ObjectLinker } from './object-linker.js'
import { exposeObjects, isTrusted, noteHashed, statObject } from './object-trust.js'
import { blobError, blobFile, isLoss, readBlob, type WholePlace } from './read-blob.js'
import { type PlainRecord, type RecordUse, readRecords } from './read-records.js'
import { conflict, type TreePaths } from './tree-path.js'

const READ_BYTES = 1024 * 1024

/** As the flag `wx`. */
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

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
  const { home, link, unseen } = writing
  const losses: (ErrorData | null)[] = items.map(() => null)
  await readPlain(items, writing, {
    checksums: false,
    use: ({ item }, bytes) => writeBytes(bytes, placeFile(paths, item, unseen)),
    lose: ({ index }, error) => {
      if (!isLoss(error)) throw error
      losses[index] = error.toJSON()
    },
  })
  const shared: Digest[] = []
  for (const [index, item] of items.entries()) {
    if (!isShared(link) || item.place.in !== 'object') continue
    losses[index] = await listLoss(() => checkObject(item, writing))
    if (!losses[index]) shared.push(item.digest)
  }
  exposeObjects(home, shared)
  for (const [index, item] of items.entries()) {
    if (losses[index] || isPlain(item)) continue
    const target = placeFile(paths, item, unseen)
    losses[index] = await listLoss(() => writeEntry(item, { ...writing, ...target }))
  }
  return losses
}

/** A small file whose bytes lie in a pack as they are, as most do. */
function isPlain({ size, place }: PlacedItem): boolean {
  if (place.in !== 'pack' || place.encoding !== 0) return false
  return size < LARGE_BYTES && place.storedLength === size
}

interface PlainItem extends PlainRecord {
  index: number
  item: PlacedItem
}

/** Reads the small files among items, see `readRecords`; their losses name the files. */
async function readPlain(
  items: PlacedItem[],
  { home, hashers }: { home: string; hashers: HasherSet },
  { checksums, use, lose }: RecordUse<PlainItem>,
): Promise<void> {
  const plain = new Map<Algorithm, PlainItem[]>()
  for (const [index, item] of items.entries()) {
    if (!isPlain(item)) continue
    const algorithm = algorithmOf(item.digest)
    const others = plain.get(algorithm)
    const one = { index, item, key: fileKey(item), place: item.place as PlainRecord['place'] }
    if (others) others.push(one)
    else plain.set(algorithm, [one])
  }
  for (const [algorithm, some] of plain) {
    const hasher = await hashers.get(algorithm)
    readRecords(home, some, {
      hasher,
      checksums,
      use,
      lose: (one, error) => lose(one, nameLoss(error, one.item)),
    })
  }
}

/** Where a file goes, and under which name until it is right. */
interface TargetFile {
  file: string
  temporary: string
}

function placeFile(paths: TreePaths, { path }: PlacedItem, unseen: boolean): TargetFile {
  const file = paths.resolve(path, { create: true })!
  if (unseen) return { file, temporary: file }
  return { file, temporary: join(dirname(file), `.artifact-${randomBytes(6).toString('hex')}`) }
}

function writeBytes(bytes: Uint8Array, target: TargetFile): void {
  const { file, temporary } = target
  try {
    const out = openSync(temporary, NEW_FILE, 0o666)
    try {
      writeFileSync(out, bytes)
    } finally {
      closeSync(out)
    }
    if (temporary !== file) renameSync(temporary, file)
  } catch (error) {
    throw dropFailed(error, target)
  }
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

type WritingEntry = Writing & TargetFile

async function writeEntry(item: PlacedItem, writing: WritingEntry): Promise<void> {
  const { file, temporary } = writing
  try {
    await fillFile(item, writing)
    if (temporary === file) return
    renameSync(temporary, file)
    // To rename one hard link to another of the same file does nothing.
    if (writing.link === 'hardlink') rmSync(temporary, { force: true })
  } catch (error) {
    throw dropFailed(error, writing)
  }
}

/** Removes what a failed write left. @returns what is to be thrown. */
function dropFailed(error: unknown, { file, temporary }: TargetFile): ArtifactError {
  const code = systemCode(error)
  if (code === 'EEXIST') {
    return conflict(file, 'is another entry here: the file system has one name')
  }
  rmSync(temporary, { force: true })
  if (code === 'EISDIR') return conflict(file, 'is a folder')
  return storeError(error, `writing ${file}`)
}

/** Makes the new file `temporary`. */
async function fillFile(item: PlacedItem, { temporary, ...writing }: WritingEntry): Promise<void> {
  const { home, hashers, linker, link } = writing
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
    await copyVerified(home, item, hashers, bytes => {
      try {
        writeFileSync(out, bytes)
      } catch (error) {
        throw storeError(error, `writing ${temporary}`)
      }
    })
  } finally {
    closeSync(out)
  }
}

/** Hashes an object that is to be used as it is, unless its stat is to be trusted and may be. */
async function checkObject(
  item: PlacedItem,
  { home, hashers, verify }: { home: string; hashers: HasherSet; verify: boolean },
): Promise<void> {
  if (!verify && isTrusted(home, fileKey(item))) return
  await copyVerified(home, item, hashers, () => {})
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
  const results: (ErrorData | null)[] = items.map(() => null)
  await readPlain(
    items,
    { home, hashers },
    {
      checksums: true,
      use: () => {},
      lose: ({ index }, error) => {
        results[index] = error.toJSON()
      },
    },
  )
  for (const [index, item] of items.entries()) {
    if (isPlain(item)) continue
    try {
      await copyVerified(home, item, hashers, () => {})
    } catch (error) {
      results[index] = storeError(error, `reading ${item.path}`).toJSON()
    }
  }
  return results
}

/** Hands on the bytes of a blob; throws, after the last of them, when they are not the right ones. */
async function copyVerified(
  home: string,
  item: PlacedItem,
  hashers: HasherSet,
  use: (bytes: Uint8Array) => void,
): Promise<void> {
  const hasher = await hashers.get(algorithmOf(item.digest))
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
    throw nameLoss(blobError(error, key), item)
  }
}

/** The error of a blob as that of a file, if it is one. */
function nameLoss(error: ArtifactError, { path, digest }: PlacedItem): ArtifactError {
  if (!isLoss(error)) return error
  const { code, details } = error
  const what = code === 'BLOB_DAMAGED' ? 'is damaged in the store' : 'is gone from the store'
  return new ArtifactError(code, `"${path}" ${what} (${digest})`, {
    cause: error,
    details: { ...details, path },
  })
}

function damaged({ path, digest }: PlacedItem): ArtifactError {
  return new ArtifactError('BLOB_DAMAGED', `the bytes of "${path}" are not those of ${digest}`, {
    details: { path, digest },
  })
}

export function readFile(file: string, use: (bytes: Uint8Array) => void): void {
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
