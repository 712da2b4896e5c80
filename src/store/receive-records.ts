import { MAX_BATCH } from '../catalog/catalog.js'
import { decodeRecipe, invalidRecipe, maxRecipeBytes, type Recipe } from '../chunk/recipe.js'
import { ArtifactError, type ErrorCode, type ErrorData, isArtifactError } from '../errors.js'
import { HasherSet, hashBytes } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import { algorithmOf, type Digest } from '../model/digest.js'
import { decodePiece, MAX_PIECE_BYTES } from '../model/piece.js'
import { type ContentHeader, type Encoding, MAX_FRAME_CONTENT } from '../pack/format.js'
import type { StreamedRecord, WholeBody } from '../pack/parse-pack-stream.js'
import { decodeFrame } from '../pack/zstd.js'
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

/** Small records held while the catalog is asked, in one call, which of them are new. */
const BATCH_RECORDS = 512
const BATCH_BYTES = 8 * 1024 * 1024
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
  records: AsyncIterable<StreamedRecord>,
  options: ReceiveOptions = {},
): Promise<ReceivedRecords> {
  const receiver = new Receiver(store, options)
  try {
    try {
      for await (const record of records) {
        checkAborted(options.signal)
        await receiver.take(record)
      }
    } finally {
      await receiver.finish()
    }
    return receiver.received
  } finally {
    await receiver.close()
  }
}

class Receiver {
  readonly #store: Store
  readonly #options: ReceiveOptions
  readonly #sink: RecordSink
  // Of its own: a hasher serves one message at a time, and bodies are awaited.
  readonly #hashers = new HasherSet()
  readonly #rejected: ReceivedRecords['rejected'] = []
  readonly #run = new ChunkRun()
  #waiting: SinkRecord[] = []
  #waitingBytes = 0
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

  async take({ header, body, whole }: StreamedRecord): Promise<void> {
    const key: BlobKey = { kind: header.kind, digest: header.digest, size: header.plainLength }
    const refusal = this.#refuse(header, key)
    if (refusal) return this.#reject(key, refusal)
    try {
      if (key.kind === 'recipe') return await this.#takeRecipe(key, body)
      const isLarge = key.kind === 'blob' && key.size >= LARGE_BYTES
      if (whole && !isLarge) return await this.#takeSmall(key, header.encoding, whole)
      const frame = header.encoding === 1 ? await readWhole(body) : undefined
      const plain = frame ? [await decodeFrame(frame, key)] : body
      const hasher = await this.#hashers.get(algorithmOf(key.digest))
      const parts = verifyParts(plain, key, { hasher, onDamage: () => damaged(key) })
      if (isLarge) return await this.#takeLarge(key, parts)
      const bytes = await readWhole(parts)
      await this.#keepSmall(key, bytes, { encoding: header.encoding, bytes: frame ?? bytes })
    } catch (error) {
      if (!isRejection(error)) throw error
      this.#reject(key, error)
    }
  }

  async finish(): Promise<void> {
    await this.#storeWaiting()
    await this.#sink.finish()
  }

  close(): Promise<void> {
    return this.#sink.close()
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

  /** As nearly all are, in few steps: there is one for every small file. */
  async #takeSmall(key: BlobKey, encoding: Encoding, whole: WholeBody): Promise<void> {
    const plain = encoding === 1 ? await decodeFrame(whole.bytes, key) : whole.bytes
    const hasher = await this.#hashers.get(algorithmOf(key.digest))
    if (plain.length !== key.size || hashBytes(hasher, plain) !== key.digest) throw damaged(key)
    await this.#keepSmall(key, plain, { encoding, ...whole })
  }

  async #keepSmall(
    key: BlobKey,
    plain: Uint8Array,
    stored: Omit<SinkRecord, 'key'>,
  ): Promise<void> {
    if (key.kind === 'piece') decodePiece(plain, key.digest)
    await this.#run.add(key, plain)
    await this.#keep({ key, ...stored })
  }

  /** A blob made of chunks counts once the whole was hashed. */
  async #takeRecipe(key: BlobKey, body: AsyncIterable<Uint8Array>): Promise<void> {
    const recipe = decodeRecipe(key, await readWhole(body))
    const digest = this.#run.finish(recipe) ?? (await this.#hashChunks(recipe))
    if (digest !== key.digest) throw invalidRecipe(key, `they make ${digest}`)
    await this.#keep({ key, bytes: recipe.bytes, encoding: 0 })
  }

  async #hashChunks(recipe: Recipe): Promise<Digest> {
    // Those that came just now are read like the others.
    await this.finish()
    const hasher = await this.#hashers.get(algorithmOf(recipe.key.digest))
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

  async #keep(record: SinkRecord): Promise<void> {
    this.#waiting.push(record)
    this.#waitingBytes += record.bytes.length
    if (this.#waiting.length >= BATCH_RECORDS || this.#waitingBytes >= BATCH_BYTES) {
      await this.#storeWaiting()
    }
  }

  async #storeWaiting(): Promise<void> {
    const records = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    const keys = records.map(({ key }) => key)
    const places = await locateBlobs(this.#store, keys, { external: false })
    for (const [index, record] of records.entries()) {
      if (!places[index]) await this.#sink.append(record)
      this.#stored += 1
    }
  }
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

async function readWhole(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const taken: Uint8Array[] = []
  for await (const part of parts) taken.push(part)
  const [first] = taken
  if (taken.length !== 1 || !first) return Buffer.concat(taken)
  return Buffer.from(first.buffer, first.byteOffset, first.length)
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
