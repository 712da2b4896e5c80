import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import type { WireItem } from '../pack/encode-pack-stream.js'
import { countBody } from './count-body.js'
import type { RunSource } from './encode-runs.js'
import type { PushSession, UploadMeter } from './push-session.js'

/** Bytes between two events of one version. */
const EVENT_BYTES = 256 * 1024

/** Counts the plain bytes of one pack while they go out; a repeated attempt counts anew. */
export class PackCounter {
  readonly #session: PushSession
  readonly #sent = new Map<UploadMeter, number>()
  readonly #saved = new Map<UploadMeter, number>()
  readonly #unreported = new Map<UploadMeter, number>()

  constructor(session: PushSession) {
    this.#session = session
  }

  restart(): void {
    for (const [meter, bytes] of this.#sent) meter.bytesSent -= bytes
    for (const [meter, bytes] of this.#saved) {
      meter.bytesTotal += bytes
      meter.bytesSkipped -= bytes
    }
    for (const map of [this.#sent, this.#saved, this.#unreported]) map.clear()
  }

  /** Bytes of a version went out. */
  count(meter: UploadMeter, bytes: number): void {
    meter.bytesSent += bytes
    add(this.#sent, meter, bytes)
    if (add(this.#unreported, meter, bytes) >= EVENT_BYTES) this.#emit(meter)
  }

  /** Bytes of a version need not go out: the remote has them. */
  save(meter: UploadMeter, bytes: number): void {
    meter.bytesTotal -= bytes
    meter.bytesSkipped += bytes
    add(this.#saved, meter, bytes)
  }

  /** Tells how far the versions are of which something is not told yet. */
  report(): void {
    for (const meter of this.#unreported.keys()) this.#emit(meter)
  }

  #emit(meter: UploadMeter): void {
    this.#unreported.delete(meter)
    this.#session.emit(meter)
  }
}

/** The same records, counted for the versions that want them when they have gone out. */
export async function* countRecords(
  items: AsyncIterable<WireItem>,
  meters: Map<string, UploadMeter>,
  counter: PackCounter,
): AsyncGenerator<RunSource> {
  for await (const item of items) {
    const keys = 'encoded' in item ? item.keys : [item.key]
    if ('encoded' in item || item.body instanceof Uint8Array) {
      yield { ...item, onSent: () => keys.forEach(count) }
    } else {
      const meter = meters.get(blobKeyString(item.key))
      const body = meter && countBody(item.body, bytes => counter.count(meter, bytes))
      yield { ...item, ...(body && { body }) }
    }
  }

  function count(key: BlobKey): void {
    const meter = meters.get(blobKeyString(key))
    if (meter) counter.count(meter, key.size)
  }
}

function add(map: Map<UploadMeter, number>, meter: UploadMeter, bytes: number): number {
  const sum = (map.get(meter) ?? 0) + bytes
  map.set(meter, sum)
  return sum
}
