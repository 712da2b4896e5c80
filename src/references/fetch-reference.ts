import { createCrc32c } from '../hash/crc32c.js'
import { createHasher } from '../hash/hasher.js'
import { algorithmOf, isDigest } from '../model/digest.js'
import { checkAborted } from '../store/progress.js'
import { isUnverifiable } from './reference-contents.js'
import { referenceChanged } from './reference-error.js'
import type { ReferenceEntry, ReferenceHandler } from './reference-handler.js'
import type { ReferenceSink } from './reference-sink.js'
import { retryReference } from './retry-reference.js'

export interface FetchReferenceOptions {
  /** Where the bytes go; closed in any case. */
  sink: ReferenceSink
  signal?: AbortSignal
  /** Tells of bytes as they arrive, and (negative) of those that must come again. */
  onBytes?: (bytes: number) => void
  /** Pause before the second attempt, in milliseconds; doubles. Default 200. */
  pauseMs?: number
}

/**
 * Downloads the recorded bytes of a reference into a sink. A download that is cut, or that the sink
 * has the beginning of, goes on where it was, if the source can and something identifies the
 * bytes. Size and, where it says so of the content, digest are verified.
 *
 * @throws as `ReferenceHandler.open`; `REFERENCE_CHANGED` also for bytes that do not verify;
 *   what the sink throws.
 */
export async function fetchReference(
  handler: ReferenceHandler,
  entry: ReferenceEntry,
  { sink, signal, onBytes = () => {}, pauseMs = 200 }: FetchReferenceOptions,
): Promise<void> {
  const check = await createContentCheck(entry.digest)
  let length = sink.begun
  let arrived = 0
  let furthest = length
  let before = 0
  const restart = async (from: number) => {
    if (from === length) return
    onBytes(-arrived)
    arrived = 0
    length = 0
    check?.init()
    await sink.restart()
  }
  const sizeKnown = !entry.extra?.sizeUnknown
  const attempt = async () => {
    before = furthest
    // The connection was cut after the last byte.
    if (sizeKnown && length > 0 && length === entry.size) return
    // Nothing would tell that the rest is of other bytes than what came before.
    const wanted = isUnverifiable(entry) ? 0 : length
    const { from, body } = await handler.open(entry, { from: wanted, signal })
    await restart(from)
    for await (const part of body) {
      checkAborted(signal)
      if (sizeKnown && length + part.length > entry.size) {
        throw referenceChanged(entry.ref, `it has more than ${entry.size} bytes`)
      }
      await sink.write(part, length)
      check?.update(part)
      length += part.length
      furthest = Math.max(furthest, length)
      arrived += part.length
      onBytes(part.length)
    }
    if (!sizeKnown || length === entry.size) return
    throw referenceChanged(entry.ref, `it has ${length} bytes, not ${entry.size}`)
  }
  try {
    if (check && length > 0) for await (const part of sink.readBegun()) check.update(part)
    const shouldConsumeRetry = () => furthest === before
    await retryReference(attempt, { pauseMs, signal, shouldConsumeRetry })
    const digest = check?.digest()
    if (digest !== undefined && digest !== entry.digest) {
      throw referenceChanged(entry.ref, `the digest of what came is ${digest}`)
    }
  } catch (error) {
    checkAborted(signal)
    throw error
  } finally {
    await sink.close()
  }
}

interface ContentCheck {
  init(): void
  update(bytes: Uint8Array): void
  digest(): string
}

/** Undefined for a digest that cannot be computed from the bytes, as an ETag. */
async function createContentCheck(digest: string): Promise<ContentCheck | undefined> {
  if (isDigest(digest)) {
    const hasher = await createHasher(algorithmOf(digest))
    hasher.init()
    return hasher
  }
  if (!digest.startsWith('crc32c:')) return undefined
  const crc = await createCrc32c()
  return {
    init: () => void crc.init(),
    update: bytes => void crc.update(bytes),
    digest: () => `crc32c:${Buffer.from(crc.digest('binary')).toString('base64')}`,
  }
}
