import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import type { WireItem } from '../pack/encode-pack-stream.js'
import type { SendResult } from '../remote/remote.js'
import { openRecords } from '../store/open-records.js'
import { isLoss } from '../store/read-blob.js'
import { describeLoss } from '../store/recover-blobs.js'
import { encodeRuns, type RunSource } from './encode-runs.js'
import { countRecords, PackCounter } from './pack-counter.js'
import type { PushSession, UploadMeter } from './push-session.js'
import { throwRejection } from './throw-rejection.js'
import type { WantedKey } from './upload-pieces.js'

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
  const open = (counter: PackCounter) =>
    countRecords(
      openRecords(store, keys, { require: true, unchecked: true, signal }),
      meters,
      counter,
    )
  const rejected = await sendRecords(session, entity, { keys, meters: [...meters.values()], open })
  const refused = new Set(rejected.map(({ key }) => blobKeyString(key)))
  for (const { key, meter } of wanted) {
    if (refused.has(blobKeyString(key))) continue
    report.sentBytes += key.size
    if (key.kind !== 'blob') continue
    report.sentBlobs += 1
    meter.blobBytes += key.size
  }
  await throwRejection(session.context, rejected)
}

export interface SentPack {
  /** The blobs and pieces that are sent. */
  keys: BlobKey[]
  /** Of the versions that want them. */
  meters: UploadMeter[]
  /**
   * Makes the records anew for every attempt; what it throws is thrown, and says what needs a blob that
   * is lost.
   */
  open: (counter: PackCounter) => AsyncIterable<RunSource>
}

/**
 * Sends a pack of records, compressed where the remote takes that and it pays.
 *
 * @returns what the remote rejected.
 */
export async function sendRecords(
  session: PushSession,
  entity: string,
  { keys, meters, open }: SentPack,
): Promise<SendResult['rejected']> {
  const { report, store, signal } = session.context
  const counter = new PackCounter(session)
  const { encodings } = await session.capabilities()
  let failure: { error: unknown } | undefined
  async function* readRecords(): AsyncGenerator<WireItem> {
    counter.restart()
    failure = undefined
    try {
      const compress = encodings.includes(1)
      for await (const record of encodeRuns(open(counter), session.pool, { compress })) {
        report.wireBytes += record.storedLength
        yield record
      }
    } catch (error) {
      failure = { error }
      throw error
    }
  }

  const nameUses = async (error: unknown) => {
    const lost = isLoss(error) && keys.find(({ digest }) => digest === error.details.digest)
    return lost ? describeLoss(store, lost, { error, signal }) : error
  }
  const sending = session.call(
    (remote, options) => remote.send(entity, readRecords, options),
    meters,
  )
  const { rejected } = await sending.catch(async error => {
    throw failure ? await nameUses(failure.error) : error
  })
  counter.report()
  return rejected
}
