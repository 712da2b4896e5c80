import { ArtifactError, type ErrorCode } from '../errors.js'
import type { SendResult } from '../remote/remote.js'
import { quarantineKeys } from '../store/quarantine.js'
import { describeLoss } from '../store/recover-blobs.js'
import type { PushContext } from './push-session.js'

/** What a remote says of bytes that are not those of their digest. */
const DAMAGE: ReadonlySet<ErrorCode> = new Set(['BLOB_DAMAGED', 'PACK_INVALID', 'RECIPE_INVALID'])

/**
 * Does nothing when nothing was rejected.
 *
 * @throws the remote's error for the first record that it rejected. Where that is about its bytes:
 *   an error that says what needs them if they are wrong here, which moves them aside;
 *   `REQUEST_DAMAGED` if they are whole here, so that they may go again.
 */
export async function throwRejection(
  { store, signal }: PushContext,
  [first]: SendResult['rejected'],
): Promise<void> {
  if (!first) return
  const { key } = first
  const error = ArtifactError.from(first.error, 'REMOTE_INVALID')
  if (!DAMAGE.has(error.code)) throw error
  const removed = await quarantineKeys(store, [key])
  if (removed.length > 0) throw await describeLoss(store, key, { error, signal })
  const message = `${key.kind} ${key.digest} came to the remote with other bytes than it has here`
  throw new ArtifactError('REQUEST_DAMAGED', message, { cause: error, details: { ...key } })
}
