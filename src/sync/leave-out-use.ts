import type { PendingItem } from '../catalog/catalog.js'
import type { ErrorData } from '../errors.js'
import type { PushSession } from './push-session.js'

/**
 * A use of a version that the remote does not have stays here, and is not sent again: there is
 * nothing there that it could be recorded at. False when this is not what was refused.
 */
export async function leaveOutUse(
  session: PushSession,
  { kind, seq }: PendingItem,
  { code }: ErrorData,
): Promise<boolean> {
  if (kind !== 'use' || code !== 'VERSION_NOT_FOUND') return false
  const { storeId } = await session.capabilities()
  await session.context.store.catalog.settle(storeId, [{ seq, number: 0 }])
  session.context.report.leftOut += 1
  return true
}
