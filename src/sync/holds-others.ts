import type { PendingItem } from '../catalog/catalog.js'
import type { ErrorData } from '../errors.js'

/**
 * Whether what is behind a failed item of a collection waits for it. A use, an upsert that came too
 * late, and a finish that found a conflict, change nothing for what comes after them.
 */
export function holdsOthers(
  { kind }: Pick<PendingItem, 'kind'>,
  { code }: Pick<ErrorData, 'code'>,
): boolean {
  return kind !== 'use' && code !== 'ARTIFACT_FINALIZED' && code !== 'ENTRY_CONFLICT'
}
