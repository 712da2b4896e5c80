import { ArtifactError } from '../errors.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import type { WireRecord } from '../pack/encode-pack-stream.js'
import { openRecords } from '../store/open-records.js'
import { isLoss } from '../store/read-blob.js'
import { describeLoss } from '../store/recover-blobs.js'
import type { PushSession, UploadMeter } from './push-session.js'
import type { WantedKey } from './upload-pieces.js'

/** Bytes between two events of one version. */
const EVENT_BYTES = 1024 * 1024

/**
 * Sends one pack with these records.
 *
 * @throws what reading them threw, in whatever form the remote reports that; the remote's error
 *   for the first record that it rejected; and as `Remote.send`.
 */
export async function sendPack(
  session: PushSession,
  entity: string,
  wanted: WantedKey[],
): Promise<void> {
  const { store, report, signal } = session.context
  const keys = wanted.map(({ key }) => key)
  const meters = new Map(wanted.map(({ key, meter }) => [blobKeyString(key), meter]))
  const counter = new PackCounter(session, meters)
  let failure: { error: unknown } | undefined

  async function* readRecords(): AsyncGenerator<WireRecord> {
    counter.restart()
    try {
      const records = openRecords(store, keys, { require: true, signal })
      for await (const record of records) yield counter.watch(record)
    } catch (error) {
      failure = { error }
      throw error
    }
  }

  const nameUses = async (error: unknown) => {
    const lost = isLoss(error) && keys.find(({ digest }) => digest === error.details.digest)
    return lost ? describeLoss(store, lost, { error, signal }) : error
  }
  const sending = session.call((remote, options) => remote.send(entity, readRecords, options))
  const { rejected } = await sending.catch(async error => {
    throw failure ? await nameUses(failure.error) : error
  })
  counter.report()
  const refused = new Set(rejected.map(({ key }) => blobKeyString(key)))
  for (const { key, meter } of wanted) {
    if (refused.has(blobKeyString(key))) continue
    report.sentBytes += key.size
    if (key.kind !== 'blob') continue
    report.sentBlobs += 1
    meter.blobBytes += key.size
  }
  const [first] = rejected
  if (first) throw ArtifactError.from(first.error, 'REMOTE_INVALID')
}

/** Counts the bytes of one pack while they go out; a repeated attempt counts anew. */
class PackCounter {
  readonly #session: PushSession
  readonly #meters: Map<string, UploadMeter>
  readonly #counted = new Map<UploadMeter, number>()
  readonly #unreported = new Map<UploadMeter, number>()

  constructor(session: PushSession, meters: Map<string, UploadMeter>) {
    this.#session = session
    this.#meters = meters
  }

  restart(): void {
    for (const [meter, bytes] of this.#counted) meter.bytesSent -= bytes
    this.#counted.clear()
    this.#unreported.clear()
  }

  watch(record: WireRecord): WireRecord {
    const { key, body } = record
    if (!(body instanceof Uint8Array)) return { ...record, body: this.#watchBody(key, body) }
    this.#count(key, body.length)
    return record
  }

  /** Tells how far the versions are of which something is not told yet. */
  report(): void {
    for (const meter of this.#unreported.keys()) this.#emit(meter)
  }

  async *#watchBody(key: BlobKey, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of body) {
      this.#count(key, part.length)
      yield part
    }
  }

  #count(key: BlobKey, bytes: number): void {
    const meter = this.#meters.get(blobKeyString(key))
    if (!meter) return
    meter.bytesSent += bytes
    this.#counted.set(meter, (this.#counted.get(meter) ?? 0) + bytes)
    const unreported = (this.#unreported.get(meter) ?? 0) + bytes
    this.#unreported.set(meter, unreported)
    if (unreported >= EVENT_BYTES) this.#emit(meter)
  }

  #emit(meter: UploadMeter): void {
    this.#unreported.delete(meter)
    const { id, name, bytesTotal, bytesSent } = meter
    this.#session.context.emit({ type: 'bytes', id, name, bytesTotal, bytesSent })
  }
}
