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

/** `b`, kind, algorithm, digest: binary, because there is one for every small file. */
export function locationKey({ kind, digest }: KeyRef): Buffer {
  const { bytes, id } = ALGORITHMS[algorithmOf(digest)]
  const key = Buffer.allocUnsafe(3 + bytes)
  key[0] = 0x62
  key[1] = KIND_BYTE[kind]
  key[2] = id
  key.write(hexOf(digest), 3, 'hex')
  return key
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

export function decodeLocation(bytes: Buffer): Location {
  if (bytes[0] === 2) return { in: 'object', size: Number(bytes.readBigUInt64LE(1)) }
  return {
    in: 'pack',
    packId: bytes.toString('hex', 2, 10),
    offset: Number(bytes.readBigUInt64LE(10)),
    storedLength: bytes.readUInt32LE(18),
    encoding: bytes[1] === 1 ? 1 : 0,
    size: bytes.length > 26 ? Number(bytes.readBigUInt64LE(22)) : bytes.readUInt32LE(22),
  }
}
