import { randomBytes } from 'node:crypto'
import { existsSync, unlinkSync } from 'node:fs'
import { decodeRecipe } from '../chunk/recipe.js'
import { ArtifactError, isArtifactError, storeError, systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Digest } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import { objectPath, packPath } from '../model/home.js'
import { decodePiece } from '../model/piece.js'
import { listPackRecords } from '../pack/read-pack-index.js'
import type { VersionRow } from './apply-record.js'
import { type KeyRef, type Location, MAX_BATCH } from './catalog.js'
import { ContentMarker, type ContentReader } from './content-marker.js'
import type { RemovalRequest } from './keeping.js'
import { packKey } from './key-table.js'
import { decodeLocation, keys, LOCATION_RANGE, locationKey } from './keys.js'
import { readPacked } from './read-packed.js'
import type { JournalRecord } from './records.js'
import { type Database, locateIn, type Transaction } from './transaction.js'

export type RemovedFiles = Pick<RemovalRequest, 'packs' | 'objects'>

export interface SweepOptions {
  home: string
  db: Database
  /** Pieces whose blobs somebody relies on. */
  pieces: Digest[]
}

/** One removal of what nothing needs, as the host of a catalog sees it. */
export class Sweep {
  readonly name = randomBytes(8).toString('hex')
  readonly #home: string
  readonly #db: Database
  readonly #marker: ContentMarker
  readonly #versions = new Set<string>()
  readonly #pieces: Set<Digest>

  constructor({ home, db, pieces }: SweepOptions) {
    this.#home = home
    this.#db = db
    this.#pieces = new Set(pieces)
    this.#marker = new ContentMarker(new HostReader(home, db), () => 1)
  }

  /** Takes in that bytes are needed which were not when the sweep began, perhaps. */
  noteRecord(record: JournalRecord): void {
    if ('version' in record) this.#versions.add(record.version.id)
    else if (record.t === 'alias') this.#versions.add(record.versionId)
  }

  notePieces(pieces: Digest[]): void {
    for (const piece of pieces) this.#pieces.add(piece)
  }

  /** Looks through what was noted. @throws when a manifest cannot be read. */
  async look(): Promise<void> {
    for (const id of this.#versions) {
      const row = (await this.#db.get(keys.version(id))) as VersionRow | undefined
      const pieces = (await this.#db.get(keys.pieces(id))) as Piece[] | undefined
      if (row && pieces) await this.#marker.mark({ pieces, external: row.external ?? [] }, 1)
      this.#versions.delete(id)
    }
    for (const digest of this.#pieces) {
      const [location] = await locateIn(this.#db, [locationKey({ kind: 'piece', digest })])
      // One that is not here vouches for nothing.
      if (location)
        await this.#marker.mark({ pieces: [{ digest, size: location.size }], external: [] }, 1)
      this.#pieces.delete(digest)
    }
  }

  /**
   * Chooses what of the request can go, and takes it out of the index, in one step as far as
   * `isHeld` is concerned. Nothing else may be committed or added until the files are away.
   * @param onGone is told of each key that is taken out.
   */
  async plan(
    txn: Transaction,
    { packs, objects }: RemovedFiles,
    { lookNow, onGone }: { lookNow: () => (key: Buffer) => boolean; onGone: (key: Buffer) => void },
  ): Promise<RemovedFiles> {
    await this.look()
    const places = await txn.locate(objects)
    const listed: { packId: string; refs: KeyRef[] }[] = []
    for (const packId of packs) {
      const refs = await this.#listLocated(txn, packId)
      if (refs) listed.push({ packId, refs })
    }
    const held = lookNow()
    const isNeeded = (ref: KeyRef) => {
      const key = locationKey(ref)
      return this.#marker.table.get(key) > 0 || held(key)
    }
    const remove = (ref: KeyRef) => {
      txn.removeLocation(ref)
      onGone(locationKey(ref))
    }
    const removed: RemovedFiles = { packs: [], objects: [] }
    for (const { packId, refs } of listed) {
      if (held(packKey(packId)) || refs.some(isNeeded)) continue
      refs.forEach(remove)
      removed.packs.push(packId)
    }
    for (const [index, object] of objects.entries()) {
      if (isNeeded(object)) continue
      // The file may be one too many beside a record.
      if (places[index]?.in === 'object') remove(object)
      removed.objects.push(object)
    }
    return removed
  }

  /** What the index locates in a pack; undefined for one that is gone or does not tell all. */
  async #listLocated(txn: Transaction, packId: string): Promise<KeyRef[] | undefined> {
    let records: BlobKey[]
    try {
      const list = listPackRecords(packPath(this.#home, packId))
      if (!list.complete) return undefined
      records = list.records.map(({ key }) => key)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined
      throw storeError(error, `reading the pack ${packId}`)
    }
    const located: KeyRef[] = []
    for (let start = 0; start < records.length; start += MAX_BATCH) {
      const some = records.slice(start, start + MAX_BATCH)
      const places = await txn.locate(some)
      located.push(...some.filter((_, index) => isIn(places[index], packId)))
    }
    return located
  }
}

/** Removes the files that a plan chose, which are in the index no more. */
export function unlinkFiles(home: string, { packs, objects }: RemovedFiles): void {
  const paths = [
    ...packs.map(packId => packPath(home, packId)),
    ...objects.map(({ digest }) => objectPath(home, digest)),
  ]
  for (const path of paths) {
    try {
      unlinkSync(path)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw storeError(error, `removing ${path}`)
    }
  }
}

/**
 * Takes out of the index what points to files that a removal took, for an index that did not see it
 * and was brought up to the journal afterwards.
 */
export async function forgetRemoved(
  db: Database,
  home: string,
  removed: RemovedFiles[],
): Promise<void> {
  const packs = new Set(removed.flatMap(({ packs }) => packs))
  const gone = new Set([...packs].filter(packId => !existsSync(packPath(home, packId))))
  const hasObject = ({ digest }: BlobKey) => existsSync(objectPath(home, digest))
  const objects = removed.flatMap(({ objects }) => objects).filter(key => !hasObject(key))
  const dead = objects.map(locationKey)
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
  const locations = db.iterator<Buffer, Buffer>({ ...LOCATION_RANGE, ...encodings })
  for await (const [key, value] of locations) {
    const location = decodeLocation(value)
    if (location.in === 'pack' && gone.has(location.packId)) dead.push(key)
  }
  const options = { keyEncoding: 'buffer' } as const
  for (let start = 0; start < dead.length; start += MAX_BATCH) {
    const some = dead.slice(start, start + MAX_BATCH)
    await db.batch<Buffer, never>(
      some.map(key => ({ type: 'del', key, ...options })),
      {},
    )
  }
}

function isIn(location: Location | null | undefined, packId: string): boolean {
  return location?.in === 'pack' && location.packId === packId
}

/** Reads content in the host itself. */
class HostReader implements ContentReader {
  readonly #home: string
  readonly #db: Database

  constructor(home: string, db: Database) {
    this.#home = home
    this.#db = db
  }

  locate(refs: KeyRef[]): Promise<(Location | null)[]> {
    return locateIn(this.#db, refs.map(locationKey))
  }

  async findReferences(names: string[]): Promise<({ digest: Digest } | null)[]> {
    const rows = await this.#db.getMany(names.map(keys.reference))
    return rows.map(row => (row as { digest: Digest } | undefined) ?? null)
  }

  async readPiece({ digest, size }: Pick<Piece, 'digest' | 'size'>) {
    const bytes = await this.#read({ kind: 'piece', digest, size })
    return decodePiece(bytes, digest)
  }

  async readRecipe({ digest }: KeyRef, { size }: Location) {
    const key = { kind: 'recipe' as const, digest, size }
    try {
      return decodeRecipe(key, Buffer.from(await this.#read(key)))
    } catch (error) {
      if (isArtifactError(error, 'RECIPE_INVALID') || isArtifactError(error, 'BLOB_DAMAGED'))
        return undefined
      throw error
    }
  }

  async #read(key: BlobKey): Promise<Uint8Array> {
    const [location] = await this.locate([key])
    if (location?.in === 'pack') return readPacked(this.#home, key, location)
    const { kind, digest } = key
    throw new ArtifactError('BLOB_MISSING', `the ${kind} ${digest} is not here`, {
      details: { kind, digest },
    })
  }
}
