import { Readable } from 'node:stream'
import { MIN_CHUNK } from '../chunk/find-cut.js'
import { encodeChunks, Recipe } from '../chunk/recipe.js'
import { withHasher } from '../hash/hasher.js'
import { blobKeyString } from '../model/blob-key.js'
import { algorithmOf, type Digest } from '../model/digest.js'
import { layOutRecords } from '../pack/encode-batch.js'
import { MAX_DIGEST_BYTES, RECORD_HEADER_BYTES, RECORD_TRAILER_BYTES } from '../pack/format.js'
import type { BlobSource } from '../store/blob-source.js'
import type { JudgedChunk } from '../store/cut-file.js'
import { quarantineKeys } from '../store/quarantine.js'
import { isLoss } from '../store/read-blob.js'
import { describeLoss } from '../store/recover-blobs.js'
import { type CutPart, cutParts } from './cut-parts.js'
import type { RunSource } from './encode-runs.js'
import { listMissing } from './list-missing.js'
import type { PackCounter } from './pack-counter.js'
import type { PushContext, PushSession, UploadMeter } from './push-session.js'
import { rememberChunks } from './remember-chunks.js'
import { sendRecords } from './send-pack.js'
import { throwRejection } from './throw-rejection.js'

/** Chunks are asked for together up to so many bytes, which are far fewer than a question holds. */
const GROUP_BYTES = 64 * 1024 * 1024
/** Chunks that lie beside each other are read together up to so many bytes. */
const READ_BYTES = 1024 * 1024
/** What their records have beside their bytes. */
const FRAME_BYTES =
  (RECORD_HEADER_BYTES + MAX_DIGEST_BYTES + RECORD_TRAILER_BYTES) * (READ_BYTES / MIN_CHUNK + 1)
/** Digests that are remembered as sent, so that repeated chunks go once: about 100 MB. */
const MAX_REMEMBERED = 1_000_000

/** A large blob to send: the file that holds it, open, and the version that asks for it. */
export interface LargeBlob {
  source: BlobSource
  meter: UploadMeter
}

/** A blob of which everything went out. */
interface SentBlob extends LargeBlob {
  recipe: Recipe
  /** Plain bytes of the chunks that the remote lacked, and those of the recipe. */
  bytes: number
}

/**
 * Sends large blobs as the chunks that the remote lacks and, after those of each, the recipe that
 * makes it: in one pack, while they are cut. Where their chunks lie is remembered, for pulls.
 *
 * @throws as `sendPack`.
 */
export async function sendLarge(
  session: PushSession,
  entity: string,
  blobs: LargeBlob[],
): Promise<void> {
  const { store, report } = session.context
  let sent: SentBlob[] = []
  const keys = blobs.map(({ source }) => source.key)
  const meters = blobs.map(({ meter }) => meter)
  const open = (counter: PackCounter) => {
    const sender = new LargeSender(session, entity, { blobs, counter })
    sent = sender.sent
    return sender.records()
  }
  const rejected = await sendRecords(session, entity, { keys, meters, open })
  const refused = new Set(rejected.map(({ key }) => blobKeyString(key)))
  for (const { source, meter, recipe, bytes } of sent) {
    if (refused.has(blobKeyString(recipe.key))) {
      await checkSource(session.context, source)
      continue
    }
    report.sentBytes += bytes
    report.sentBlobs += 1
    meter.blobBytes += bytes
    if (source.isObject) await rememberChunks(store, recipe)
  }
  await throwRejection(session.context, rejected)
}

/** For chunks that did not make their blob. @throws when the fault is here. */
async function checkSource({ store, signal }: PushContext, source: BlobSource): Promise<void> {
  const { key } = source
  try {
    await withHasher(algorithmOf(key.digest), async hasher => {
      for await (const _ of source.parts(hasher));
    })
  } catch (error) {
    if (!isLoss(error)) throw error
    await quarantineKeys(store, [key])
    throw await describeLoss(store, key, { error, signal })
  }
}

/** One attempt. */
class LargeSender {
  /** In the order of the blobs. */
  readonly sent: SentBlob[] = []
  readonly #session: PushSession
  readonly #entity: string
  readonly #blobs: LargeBlob[]
  readonly #counter: PackCounter
  readonly #gone = new Set<Digest>()
  /** Memory of runs that have gone out. */
  readonly #free: Buffer[] = []
  #rows: Buffer[] = []
  #bytes = 0

  constructor(
    session: PushSession,
    entity: string,
    { blobs, counter }: { blobs: LargeBlob[]; counter: PackCounter },
  ) {
    this.#session = session
    this.#entity = entity
    this.#blobs = blobs
    this.#counter = counter
  }

  async *records(): AsyncGenerator<RunSource, void, undefined> {
    // The next group is cut and asked for while this one goes out.
    const groups = Readable.from(this.#askGroups(), { highWaterMark: 1 })
    for await (const { parts, missing } of groups as AsyncIterable<Group>) {
      for (const part of parts) yield* this.#sendPart(part, missing)
    }
  }

  async *#askGroups(): AsyncGenerator<Group, void, undefined> {
    const sources = this.#blobs.map(({ source }) => source)
    let parts: CutPart[] = []
    let bytes = 0
    for await (const part of cutParts(sources, this.#session.pool)) {
      parts.push(part)
      for (const { size } of part.chunks) bytes += size
      if (bytes < GROUP_BYTES) continue
      yield await this.#ask(parts)
      parts = []
      bytes = 0
    }
    if (parts.length > 0) yield await this.#ask(parts)
  }

  async #ask(parts: CutPart[]): Promise<Group> {
    const keys = parts.flatMap(({ chunks }) => chunks)
    const distinct = new Map(keys.map(key => [key.digest, { key }]))
    const missing = await listMissing(this.#session, this.#entity, [...distinct.values()])
    return { parts, missing: new Set(missing.map(({ key }) => key.digest)) }
  }

  async *#sendPart(part: CutPart, missing: Set<Digest>): AsyncGenerator<RunSource> {
    const { source, chunks, isLast } = part
    const blob = this.#blobs[this.sent.length]!
    for (const { keys, start } of this.#findRuns(part, missing)) {
      const length = keys.reduce((sum, { size }) => sum + size, 0)
      const memory = this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES + FRAME_BYTES)
      const { encoded, bodies, seal } = layOutRecords(keys, memory)
      if ((await source.fill(bodies, start)) < length) throw source.damaged()
      seal()
      const onSent = () => {
        this.#counter.count(blob.meter, length)
        // It is gone if it was handed to another thread.
        if (memory.length > 0) this.#free.push(memory)
      }
      const pays = keys.some(key => key.pays)
      yield { keys, encoded: [encoded], storedLength: length, pays, onSent }
      this.#bytes += length
    }
    this.#rows.push(encodeChunks(chunks))
    if (!isLast) return
    source.check()
    const recipe = new Recipe(source.key, Buffer.concat(this.#rows))
    yield { key: recipe.key, storedLength: recipe.bytes.length, body: recipe.bytes, encoding: 0 }
    this.#counter.save(blob.meter, source.key.size - this.#bytes)
    this.sent.push({ ...blob, recipe, bytes: this.#bytes + recipe.bytes.length })
    this.#rows = []
    this.#bytes = 0
  }

  /** Chunks to send, those that lie beside each other together. */
  *#findRuns({ start, chunks }: CutPart, missing: Set<Digest>): Generator<Run> {
    let run: Run = { start, keys: [] }
    let length = 0
    let offset = start
    for (const key of chunks) {
      const wanted = missing.has(key.digest) && this.#isNew(key.digest)
      if (run.keys.length > 0 && (!wanted || length + key.size > READ_BYTES)) {
        yield run
        run = { start: 0, keys: [] }
        length = 0
      }
      if (wanted) {
        if (run.keys.length === 0) run.start = offset
        run.keys.push(key)
        length += key.size
      }
      offset += key.size
    }
    if (run.keys.length > 0) yield run
  }

  #isNew(digest: Digest): boolean {
    if (this.#gone.size >= MAX_REMEMBERED) this.#gone.clear()
    const isNew = !this.#gone.has(digest)
    this.#gone.add(digest)
    return isNew
  }
}

interface Group {
  parts: CutPart[]
  /** Which of their chunks the remote lacks. */
  missing: Set<Digest>
}

interface Run {
  start: number
  keys: JudgedChunk[]
}
