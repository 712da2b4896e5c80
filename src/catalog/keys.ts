import type { BlobKind } from '../model/blob-key.js'
import { ALGORITHMS, algorithmById, algorithmOf, digestFromBytes, hexOf } from '../model/digest.js'
import type { EdgeQuery, Role } from '../model/lineage.js'
import type { OpenName } from '../model/open-version-id.js'
import type { CollectionName, RunInfo } from '../model/version.js'
import type { KeyRef, Location, PlacedKey } from './catalog.js'

/**
 * The keys of the LevelDB index. Text keys join their parts with NUL, which no name can hold;
 * numbers are padded so that they sort. `docs/format.md` lists them; they may change at will,
 * since the index is rebuilt from journal and packs.
 */
const SEPARATOR = '\0'
const join = (...parts: string[]) => parts.join(SEPARATOR)

type RunKey = Pick<RunInfo, 'id' | 'project'>

export const padNumber = (value: number) => String(value).padStart(16, '0')

const inCollection = (tag: string, { entity, project, name }: CollectionName, ...rest: string[]) =>
  join(tag, entity, project, name, ...rest)

export const keys = {
  /** The number of the last journal record applied. */
  applied: 'applied',
  /** Random, made with the index and anew at every removal of bytes. */
  epoch: 'epoch',
  collection: (name: CollectionName) => inCollection('collection', name),
  version: (id: string) => join('version', id),
  pieces: (id: string) => join('pieces', id),
  /** What is left of a version that was deleted. */
  deleted: (id: string) => join('deleted', id),
  number: (name: CollectionName, number: number) => inCollection('number', name, padNumber(number)),
  alias: (name: CollectionName, alias: string) => inCollection('alias', name, alias),
  open: ({ distributedId, ...name }: OpenName) => inCollection('open', name, distributedId),
  part: (openId: string, number: number) => join('part', openId, padNumber(number)),
  edgeOfVersion: (versionId: string, role: Role, run: RunKey) =>
    join('edge-of-version', versionId, role, run.project, run.id),
  edgeOfRun: (run: RunKey, role: Role, versionId: string) =>
    join('edge-of-run', run.project, run.id, role, versionId),
  answer: (logId: string) => join('answer', logId),
  conflict: (name: CollectionName, subject: string) => inCollection('conflict', name, subject),
  pending: (seq: number) => join('pending', padNumber(seq)),
  /** What a remote took, by the id of its store. */
  sent: (storeId: string, seq: number) => join('sent', storeId, padNumber(seq)),
  /** The store that answered at this address. */
  remote: (url: string) => join('remote', url),
  /** How far the history of that store went when it answered last. */
  server: (storeId: string) => join('server', storeId),
  /** The present era of this store as a server. */
  era: 'era',
  eraRow: (id: string) => join('eras', id),
  complete: (digest: string) => join('complete', digest),
  pack: (packId: string) => join('pack', packId),
  folder: (path: string) => join('folder', path),
  external: (digest: string) => join('external', digest),
  reference: (name: string) => join('reference', name),
  chunk: (digest: string) => join('chunk', digest),
  used: (id: string) => join('used', id),
}

/** All keys that begin with these parts. */
export function keyRange(...parts: string[]): { gte: string; lt: string } {
  return { gte: join(...parts, ''), lt: `${join(...parts)}\u0001` }
}

/** All edges that a query asks for. */
export function edgeRange(query: EdgeQuery): { gte: string; lt: string } {
  if ('versionId' in query) return keyRange('edge-of-version', query.versionId, query.role)
  return keyRange('edge-of-run', query.run.project, query.run.id, query.role)
}

/** What is left of a range after a key. LevelDB takes `gte` over `gt` where it has both. */
export function pageRange(range: { gte: string; lt: string }, after: string | undefined) {
  return after === undefined ? range : { gt: after, lt: range.lt }
}

const KIND_BYTE = { blob: 1, piece: 2, recipe: 3 } as const

/** Of a key of `locationKey`, and of a value of `encodeLocation`, at most. */
export const MAX_KEY_BYTES = 35
export const MAX_LOCATION_BYTES = 30

/** `b`, kind, algorithm, digest: binary, because there is one for every small file. */
export function locationKey(ref: KeyRef): Buffer {
  const key = Buffer.allocUnsafe(3 + ALGORITHMS[algorithmOf(ref.digest)].bytes)
  writeLocationKey(ref, key, 0)
  return key
}

/** @returns where the key ends. */
export function writeLocationKey({ kind, digest }: KeyRef, bytes: Buffer, at: number): number {
  const { bytes: length, id } = ALGORITHMS[algorithmOf(digest)]
  bytes[at] = 0x62
  bytes[at + 1] = KIND_BYTE[kind]
  bytes[at + 2] = id
  return at + 3 + bytes.write(hexOf(digest), at + 3, length, 'hex')
}

/** The key and the location of one entry of the index. */
export function decodePlace(key: Buffer, location: Location): PlacedKey {
  const kind = (Object.keys(KIND_BYTE) as BlobKind[]).find(name => KIND_BYTE[name] === key[1])!
  const digest = digestFromBytes(algorithmById(key[2]!), key.subarray(3))
  return { key: { kind, digest, size: location.size }, location }
}

/** All locations. */
export const LOCATION_RANGE = { gte: Buffer.from('b\0'), lt: Buffer.from('c') }

/**
 * 1: encoding, pack id 8, offset u64, stored length u32, plain length u32, or u64 where it does not
 * fit, as that of a recipe. 2: plain length u64.
 */
export function encodeLocation(location: Location): Buffer {
  if (location.in === 'object') {
    const bytes = Buffer.alloc(9)
    bytes[0] = 2
    bytes.writeBigUInt64LE(BigInt(location.size), 1)
    return bytes
  }
  const isLong = location.size > 0xffffffff
  const bytes = Buffer.alloc(isLong ? 30 : 26)
  bytes[0] = 1
  bytes[1] = location.encoding
  bytes.write(location.packId, 2, 'hex')
  bytes.writeBigUInt64LE(BigInt(location.offset), 10)
  bytes.writeUInt32LE(location.storedLength, 18)
  if (isLong) bytes.writeBigUInt64LE(BigInt(location.size), 22)
  else bytes.writeUInt32LE(location.size, 22)
  return bytes
}

/** @param at where it starts in `bytes`, and `end` where it ends. */
export function decodeLocation(bytes: Buffer, at = 0, end = bytes.length): Location {
  if (bytes[at] === 2) return { in: 'object', size: readLength(bytes, at + 1) }
  return {
    in: 'pack',
    packId: bytes.toString('hex', at + 2, at + 10),
    offset: readLength(bytes, at + 10),
    storedLength: bytes.readUInt32LE(at + 18),
    encoding: bytes[at + 1] === 1 ? 1 : 0,
    size: end - at > 26 ? readLength(bytes, at + 22) : bytes.readUInt32LE(at + 22),
  }
}

/** A u64, of which a number holds all that a length can be. */
function readLength(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32
}
