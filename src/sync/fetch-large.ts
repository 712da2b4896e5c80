import { MAX_BATCH } from '../catalog/catalog.js'
import { decodeRecipe, MAX_RECIPE_BYTES, maxRecipeBytes, type Recipe } from '../chunk/recipe.js'
import { ArtifactError, isArtifactError } from '../errors.js'
import { createHasher, HasherSet, hashBytes } from '../hash/hasher.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { algorithmOf } from '../model/digest.js'
import { type ContentHeader, MAX_FRAME_CONTENT } from '../pack/format.js'
import { bodyOf, type StreamedItem } from '../pack/parse-pack-stream.js'
import { readWhole } from '../pack/record-body.js'
import { decodeFrame } from '../pack/zstd.js'
import type { Remote } from '../remote/remote.js'
import { ChunkAssembler } from '../store/chunk-assembler.js'
import { cutRuns } from '../store/cut-runs.js'
import { ObjectChunks } from '../store/object-chunks.js'
import type { Store } from '../store/store.js'
import { createWriterFolder } from '../store/writer-folder.js'
import { cutRequests, type FetchOptions, type FetchTarget, fetchAll } from './fetch-all.js'
import { rememberChunks } from './remember-chunks.js'

/** Recipes that are asked for together. */
const RECIPES_A_REQUEST = 1000

/**
 * Brings large blobs in chunks, as far as the remote has recipes for them: chunks that lie in
 * objects here are taken from there. Each blob counts once the whole was hashed.
 *
 * @returns those without a recipe, which are to be fetched whole.
 * @throws as `fetchBlobs`.
 */
export async function fetchLarge(
  store: Store,
  remote: Remote,
  absent: BlobKey[],
  options: FetchOptions,
): Promise<BlobKey[]> {
  const whole: BlobKey[] = []
  const limits = {
    weigh: (key: BlobKey) => maxRecipeBytes(key),
    most: MAX_RECIPE_BYTES,
    count: RECIPES_A_REQUEST,
  }
  for (const keys of cutRuns(absent, limits)) {
    const target = new RecipeTarget()
    const wanted = keys.map((key): BlobKey => ({ ...key, kind: 'recipe' }))
    const quiet = { ...options, onBytes: () => {}, optional: true }
    await fetchAll(target, remote, wanted, quiet)
    whole.push(...keys.filter(({ digest }) => !target.recipes.has(digest)))
    for (const group of cutRequests(keys)) {
      const recipes = group.flatMap(({ digest }) => target.recipes.get(digest) ?? [])
      if (recipes.length > 0) await fetchChunks(store, remote, recipes, options)
    }
  }
  return whole
}

/** A place that a chunk is wanted for. */
interface Slot {
  file: ChunkAssembler
  key: BlobKey
  offset: number
}

async function fetchChunks(
  store: Store,
  remote: Remote,
  recipes: Recipe[],
  options: FetchOptions,
): Promise<void> {
  const folder = await createWriterFolder(store.home)
  const files: ChunkAssembler[] = []
  const local = new ObjectChunks(store)
  try {
    for (const { key } of recipes) {
      // Each takes a memory of its own, and only a large one is worth it.
      const hasher = recipes.length === 1 ? await createHasher(algorithmOf(key.digest)) : undefined
      const options = { folder: folder.path, hasher }
      files.push(new ChunkAssembler(store, { ...key, kind: 'blob' }, options))
    }
    for (const slots of cutSlots(recipes, files)) {
      const target = new ChunkTarget(slots)
      await local.read(target.keys, (key, bytes) => {
        options.onSaved(target.write(key, bytes))
      })
      for (const keys of cutRequests(target.keys)) {
        await fetchAll(target, remote, keys, {
          ...options,
          nameOf: key => target.nameOf(key, options),
        })
      }
      options.onSaved(target.repeated)
    }
    for (const [index, file] of files.entries()) {
      await file.finish()
      await rememberChunks(store, recipes[index]!)
    }
  } finally {
    local.close()
    for (const file of files) await file.close()
    await folder.close()
  }
}

/** All places of all files, in their order and so many at a time that memory is bounded. */
function* cutSlots(recipes: Recipe[], files: ChunkAssembler[]): Generator<Slot[]> {
  let slots: Slot[] = []
  for (const [index, recipe] of recipes.entries()) {
    const file = files[index]!
    for (const batch of recipe.batches(MAX_BATCH)) {
      if (slots.length + batch.length > MAX_BATCH) {
        yield slots
        slots = []
      }
      for (const { key, offset } of batch) slots.push({ file, key, offset })
    }
  }
  if (slots.length > 0) yield slots
}

/** Takes chunks for the places that want them. */
class ChunkTarget implements FetchTarget {
  /** Bytes of places beyond the first of each chunk that was fetched. */
  repeated = 0
  readonly #slots = new Map<string, Slot[]>()
  readonly #hashers = new HasherSet()

  constructor(slots: Slot[]) {
    for (const slot of slots) {
      const name = blobKeyString(slot.key)
      const same = this.#slots.get(name)
      if (same) same.push(slot)
      else this.#slots.set(name, [slot])
    }
  }

  /** Chunks that are still wanted. */
  get keys(): BlobKey[] {
    return [...this.#slots.values()].map(([slot]) => slot!.key)
  }

  /** What a message calls a chunk: the blob that it is of. */
  nameOf(key: BlobKey, { nameOf }: FetchOptions): string {
    const [slot] = this.#slots.get(blobKeyString(key)) ?? []
    return slot ? `a part of ${nameOf(slot.file.key)}` : key.digest
  }

  /** Writes a verified chunk to its places. @returns the bytes that were written. */
  write(key: BlobKey, bytes: Uint8Array): number {
    const name = blobKeyString(key)
    const slots = this.#slots.get(name) ?? []
    for (const { file, offset } of slots) file.write(bytes, offset)
    this.#slots.delete(name)
    return slots.length * bytes.length
  }

  async listAbsent(keys: BlobKey[]): Promise<BlobKey[]> {
    return keys.filter(key => this.#slots.has(blobKeyString(key)))
  }

  async receive(
    records: AsyncIterable<StreamedItem>,
    { accept }: Parameters<FetchTarget['receive']>[1],
  ) {
    return receiveEach(records, accept, async (key, { encoding, storedLength }, read) => {
      // A chunk is far shorter; what is claimed to be longer is not one.
      if (storedLength > MAX_FRAME_CONTENT) {
        throw new ArtifactError('BLOB_DAMAGED', `${key.digest} comes with ${storedLength} bytes`)
      }
      const stored = await read()
      const plain = encoding === 0 ? stored : await decodeFrame(stored, key)
      const hasher = await this.#hashers.get(algorithmOf(key.digest))
      if (plain.length !== key.size || hashBytes(hasher, plain) !== key.digest) {
        throw new ArtifactError('BLOB_DAMAGED', `the bytes that came are not ${key.digest}`)
      }
      this.repeated += this.write(key, plain) - plain.length
    })
  }
}

class RecipeTarget implements FetchTarget {
  readonly recipes = new Map<string, Recipe>()

  async listAbsent(keys: BlobKey[]): Promise<BlobKey[]> {
    return keys.filter(({ digest }) => !this.recipes.has(digest))
  }

  async receive(
    records: AsyncIterable<StreamedItem>,
    { accept }: Parameters<FetchTarget['receive']>[1],
  ) {
    return receiveEach(records, accept, async (key, { encoding, storedLength }, read) => {
      if (encoding !== 0 || storedLength > maxRecipeBytes(key)) {
        throw new ArtifactError('RECIPE_INVALID', `the recipe of ${key.digest} is too long`)
      }
      this.recipes.set(key.digest, decodeRecipe(key, Buffer.from(await read())))
    })
  }
}

type Take = (
  key: BlobKey,
  header: ContentHeader,
  /** Its stored bytes, which are there until the next record is asked for. */
  read: () => Buffer | Promise<Buffer>,
) => Promise<void>

/** Hands on records; one that `accept` or `take` refuses with a coded error is rejected. */
async function receiveEach(
  items: AsyncIterable<StreamedItem>,
  accept: (key: BlobKey) => void,
  take: Take,
): ReturnType<FetchTarget['receive']> {
  const rejected: Awaited<ReturnType<FetchTarget['receive']>>['rejected'] = []
  const receive = async (header: ContentHeader, read: Parameters<Take>[2]) => {
    const { kind, digest, plainLength: size } = header
    const key = { kind, digest, size }
    try {
      accept(key)
      await take(key, header, read)
    } catch (error) {
      if (!isArtifactError(error) || error.code.startsWith('STORE_')) throw error
      rejected.push({ key, error: error.toJSON() })
    }
  }
  for await (const item of items) {
    if ('body' in item) await receive(item.header, () => readWhole(item.body))
    else {
      for (const record of item.records) {
        await receive(record.header, () => bodyOf(item.bytes, record))
      }
    }
  }
  return { rejected }
}
