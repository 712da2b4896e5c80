import type { ErrorData } from '../errors.js'

/**
 * Whether what is behind a failed item of a collection waits for it. An upsert that came too late,
 * and a finish that found a conflict, change nothing for what comes after them.
 */
export function holdsOthers({ code }: Pick<ErrorData, 'code'>): boolean {
  return code !== 'ARTIFACT_FINALIZED' && code !== 'ENTRY_CONFLICT'
}
