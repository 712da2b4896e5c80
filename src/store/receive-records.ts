import { MAX_BATCH } from '../catalog/catalog.js'
import { decodeRecipe, invalidRecipe, maxRecipeBytes, type Recipe } from '../chunk/recipe.js'
import { ArtifactError, type ErrorCode, type ErrorData, isArtifactError } from '../errors.js'
import { freeMemory } from '../hash/free-memory.js'
import { createHasher, type Hasher, hashBytes } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Algorithm, algorithmOf, type Digest } from '../model/digest.js'
import { decodePiece, MAX_PIECE_BYTES } from '../model/piece.js'
import { type ContentHeader, MAX_FRAME_CONTENT } from '../pack/format.js'
import {
  bodyOf,
  type RunRecord,
  type StreamedItem,
  type StreamedRecord,
  type StreamedRun,
} from '../pack/parse-pack-stream.js'
import { readWhole } from '../pack/record-body.js'
import { decodeFrame, decodeFrameWith, loadZstd, type Zstd } from '../pack/zstd.js'
import { ChunkRun } from './chunk-run.js'
import { LARGE_BYTES } from './file-ingester.js'
import { locateBlobs } from './locate-blobs.js'
import { checkAborted } from './progress.js'
import { quarantineKeys } from './quarantine.js'
import { isLoss } from './read-blob.js'
import { readChunks } from './read-chunks.js'
import { RecordSink, type SinkRecord } from './record-sink.js'
import type { Store } from './store.js'
import { verifyParts } from './verify-parts.js'

/** Short runs are kept together: whatever is kept takes a call of the catalog, for what is new of it. */
const HELD_BYTES = 1024 * 1024
/** Wrong records after which a sender is not listened to any more. */
const MAX_REJECTED = 1000
const REJECTIONS = new Set<ErrorCode>([
  'BLOB_DAMAGED',
  'PIECE_INVALID',
  'PACK_INVALID',
  'RECIPE_INVALID',
])

export interface ReceiveOptions {
  /** Stops between two records; the source must end by itself when it waits. */
  signal?: AbortSignal
  /** Asked of every record before it is read: a coded error that it throws rejects the record. */
  accept?: (key: BlobKey) => void
}

export interface ReceivedRecords {
  /** Records that are durable here, now or before. */
  stored: number
  /** The packs and objects that were written for them. */
  packs: string[]
  objects: BlobKey[]
  /** Records that were not kept, with the reason. */
  rejected: { key: BlobKey; error: ErrorData }[]
}

/**
 * Brings records from an untrusted sender into a store. All bytes are hashed, also those that the
 * store has, which are then dropped. A record is rejected, and the others go on, with
 * `BLOB_DAMAGED` if its bytes are not those of its digest and length, with `PIECE_INVALID` for a
 * piece that is not canonical or above {@link MAX_PIECE_BYTES}, with `PACK_INVALID` if its checksum
 * is wrong, it is compressed and no shorter for it or longer
 * than {@link MAX_FRAME_CONTENT}, with `RECIPE_INVALID` for a recipe that does not make its blob of
 * chunks that are here or came before it. Compressed records are kept as they came. Memory is taken for bytes that came, never for a
 * length that is claimed.
 *
 * What was verified is kept in any case: when the source throws or the signal aborts, it is made
 * durable before the error goes on.
 *
 * @throws whatever `records` throws; `PACK_INVALID` after 1000 rejections; `STORE_FULL` and
 *   `STORE_FAILED`.
 */
export async function receiveRecords(
  store: Store,
  records: AsyncIterable<StreamedItem>,
  options: ReceiveOptions = {},
): Promise<ReceivedRecords> {
  const receiver = new Receiver(store, options)
  try {
    try {
      for await (const record of records) {
        checkAborted(options.signal)
        await ('body' in record ? receiver.take(record) : receiver.takeRun(record))
      }
    } finally {
      await receiver.finish()
    }
    return receiver.received
  } finally {
    await receiver.close()
  }
}

/** Of one algorithm, for what may go on at the same time. */
interface Hashers {
  /** For a record. */
  one: Hasher
  /** For the chunks of a blob together. */
  run: Hasher
}

class Receiver {
  readonly #store: Store
  readonly #options: ReceiveOptions
  readonly #sink: RecordSink
  readonly #hashers = new Map<Algorithm, Hashers>()
  readonly #rejected: ReceivedRecords['rejected'] = []
  readonly #chunks = new ChunkRun()
  #held: { bytes: Buffer; length: number; records: RunRecord[] } | undefined
  #zstd: Zstd | undefined
  #stored = 0

  constructor(store: Store, options: ReceiveOptions) {
    this.#store = store
    this.#options = options
    this.#sink = new RecordSink(store)
  }

  get received(): ReceivedRecords {
    const { packs, objects } = this.#sink
    return { stored: this.#stored, packs, objects, rejected: this.#rejected }
  }

  async take({ header, body }: StreamedRecord): Promise<void> {
    const key = keyOf(header)
    const refusal = this.#refuse(header, key)
    if (refusal) return this.#reject(key, refusal)
    let decoded: Uint8Array | undefined
    try {
      if (key.kind === 'recipe') return await this.#takeRecipe(key, body)
      const frame = header.encoding === 1 ? await readWhole(body) : undefined
      decoded = frame && (await decodeFrame(frame, key))
      const plain = decoded ? [decoded] : body
      const hashers = await this.#findHashers(key)
      const hasher = hashers.one
      const parts = verifyParts(plain, key, { hasher, onDamage: () => damaged(key) })
      if (isLarge(key)) return await this.#takeLarge(key, parts)
      const bytes = await readWhole(parts)
      this.#checkSmall(key, bytes, hashers)
      await this.#keep({ key, encoding: header.encoding, bytes: frame ?? bytes })
    } catch (error) {
      if (!isRejection(error)) throw error
      this.#reject(key, error)
    } finally {
      if (decoded) freeMemory([decoded])
    }
  }

  /** As nearly all come, without waiting for each: there is one for every small file. */
  async takeRun({ bytes, records }: StreamedRun): Promise<void> {
    let sound: RunRecord[] = []
    const keep = async () => {
      const records = sound
      sound = []
      await this.#keepRun(bytes, records)
    }
    try {
      for (const record of records) {
        const { header } = record
        const key = keyOf(header)
        const stored = bodyOf(bytes, record)
        if (key.kind === 'recipe' || isLarge(key)) {
          // It may be made of those before it.
          await keep()
          await this.take({ header, body: only(stored) })
          continue
        }
        const known = this.#hashers.get(algorithmOf(key.digest))
        const hashers = known ?? (await this.#findHashers(key))
        if (header.encoding === 1) this.#zstd ??= await loadZstd()
        const fault = this.#refuse(header, key) ?? this.#findFault(header, stored, hashers)
        if (fault) this.#reject(key, fault)
        else sound.push(record)
      }
    } finally {
      await keep()
    }
  }

  async finish(): Promise<void> {
    await this.#storeHeld()
    await this.#sink.finish()
  }

  close(): Promise<void> {
    return this.#sink.close()
  }

  /** What is wrong with the bytes of a short record. */
  #findFault(header: ContentHeader, stored: Buffer, hashers: Hashers): ArtifactError | undefined {
    const key = keyOf(header)
    try {
      const plain = header.encoding === 1 ? decodeFrameWith(this.#zstd!, stored, key) : stored
      if (plain.length !== key.size || hashBytes(hashers.one, plain) !== key.digest) {
        throw damaged(key)
      }
      this.#checkSmall(key, plain, hashers)
      return undefined
    } catch (error) {
      if (!isRejection(error)) throw error
      return error
    }
  }

  /** What is wrong with a record before its bytes are looked at. */
  #refuse(header: StreamedRecord['header'], key: BlobKey): ArtifactError | undefined {
    try {
      checkHeader(header)
      this.#options.accept?.(key)
      return undefined
    } catch (error) {
      if (isArtifactError(error)) return error
      throw error
    }
  }

  #reject(key: BlobKey, error: ArtifactError): void {
    this.#rejected.push({ key, error: error.toJSON() })
    if (this.#rejected.length < MAX_REJECTED) return
    const message = `${MAX_REJECTED} records are not what they claim to be`
    throw new ArtifactError('PACK_INVALID', message, { cause: error })
  }

  async #takeLarge(key: BlobKey, parts: AsyncIterable<Uint8Array>): Promise<void> {
    const [place] = await locateBlobs(this.#store, [key], { external: false })
    if (place) for await (const _ of parts);
    else await this.#sink.writeObject(key, parts)
    this.#stored += 1
  }

  /** Looks at the verified bytes of a piece, or of what may be a chunk. */
  #checkSmall(key: BlobKey, plain: Uint8Array, { run }: Hashers): void {
    if (key.kind === 'piece') decodePiece(plain, key.digest)
    this.#chunks.add(key, plain, run)
  }

  async #findHashers({ digest }: BlobKey): Promise<Hashers> {
    const algorithm = algorithmOf(digest)
    let hashers = this.#hashers.get(algorithm)
    if (!hashers) {
      hashers = { one: await createHasher(algorithm), run: await createHasher(algorithm) }
      this.#hashers.set(algorithm, hashers)
    }
    return hashers
  }

  /** A blob made of chunks counts once the whole was hashed. */
  async #takeRecipe(key: BlobKey, body: AsyncIterable<Uint8Array>): Promise<void> {
    const recipe = decodeRecipe(key, await readWhole(body))
    const digest = this.#chunks.finish(recipe) ?? (await this.#hashChunks(recipe))
    if (digest !== key.digest) throw invalidRecipe(key, `they make ${digest}`)
    await this.#keep({ key, bytes: recipe.bytes, encoding: 0 })
  }

  async #hashChunks(recipe: Recipe): Promise<Digest> {
    // Those that came just now are read like the others.
    await this.finish()
    const { one: hasher } = await this.#findHashers(recipe.key)
    hasher.init()
    try {
      for await (const part of readChunks(this.#store, recipe)) hasher.update(part)
    } catch (error) {
      if (!isLoss(error)) throw error
      // Whatever of them is damaged is asked for from now on.
      for (const batch of recipe.batches(MAX_BATCH)) {
        await quarantineKeys(
          this.#store,
          batch.map(({ key }) => key),
        )
      }
      throw invalidRecipe(recipe.key, error.message)
    }
    return hasher.digest()
  }

  /** A recipe is kept after its chunks. */
  async #keep(record: SinkRecord): Promise<void> {
    await this.#storeHeld()
    const [place] = await locateBlobs(this.#store, [record.key], { external: false })
    if (!place) await this.#sink.append(record)
    this.#stored += 1
  }

  async #keepRun(bytes: Buffer, records: RunRecord[]): Promise<void> {
    const length = records.reduce((sum, { start, end }) => sum + end - start, 0)
    if (length >= HELD_BYTES) return this.#storeRun(bytes, records)
    if ((this.#held?.length ?? 0) + length > HELD_BYTES) await this.#storeHeld()
    this.#held ??= { bytes: Buffer.allocUnsafeSlow(HELD_BYTES), length: 0, records: [] }
    for (const { header, start, end } of records) {
      const at = this.#held.length
      this.#held.length += bytes.copy(this.#held.bytes, at, start, end)
      this.#held.records.push({ header, start: at, end: this.#held.length })
    }
  }

  async #storeHeld(): Promise<void> {
    if (!this.#held) return
    const { bytes, records } = this.#held
    Object.assign(this.#held, { length: 0, records: [] })
    await this.#storeRun(bytes, records)
  }

  async #storeRun(bytes: Buffer, records: RunRecord[]): Promise<void> {
    const keys = records.map(({ header }) => keyOf(header))
    const places = await locateBlobs(this.#store, keys, { external: false })
    await this.#sink.appendRun(
      bytes,
      records.filter((_, index) => !places[index]),
    )
    this.#stored += records.length
  }
}

function keyOf({ kind, digest, plainLength: size }: ContentHeader): BlobKey {
  return { kind, digest, size }
}

function isLarge({ kind, size }: BlobKey): boolean {
  return kind === 'blob' && size >= LARGE_BYTES
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

function checkHeader(header: StreamedRecord['header']): void {
  const { kind, encoding, plainLength, storedLength } = header
  if (encoding === 1 && (plainLength > MAX_FRAME_CONTENT || storedLength >= plainLength)) {
    const message = `${plainLength} bytes in a frame of ${storedLength}: not a compressed record`
    throw new ArtifactError('PACK_INVALID', message)
  }
  if (kind === 'recipe') checkRecipeHeader(header)
  if (kind === 'piece' && plainLength > MAX_PIECE_BYTES) {
    const message = `a piece of ${plainLength} bytes is above ${MAX_PIECE_BYTES}`
    throw new ArtifactError('PIECE_INVALID', message)
  }
}

function checkRecipeHeader({ digest, encoding, plainLength, storedLength }: ContentHeader): void {
  const key: BlobKey = { kind: 'recipe', digest, size: plainLength }
  if (encoding !== 0) throw invalidRecipe(key, 'it is compressed')
  if (plainLength < LARGE_BYTES) throw invalidRecipe(key, 'a small blob has none')
  if (storedLength > maxRecipeBytes(key)) throw invalidRecipe(key, `${storedLength} bytes of rows`)
}

/** Faults of one record. After a cut the next record is not there, and asking for it says so. */
function isRejection(error: unknown): error is ArtifactError {
  return isArtifactError(error) && REJECTIONS.has(error.code)
}

function damaged({ kind, digest, size }: BlobKey): ArtifactError {
  return new ArtifactError(
    'BLOB_DAMAGED',
    `the bytes that came for ${kind} ${digest} are not its ${size} bytes`,
    { details: { kind, digest, size } },
  )
}
