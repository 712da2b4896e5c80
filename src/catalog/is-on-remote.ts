import type { VersionState } from '../model/version.js'

/**
 * Whether a remote took it, so that its bytes may leave this store once the remote lists what it is there:
 * a version, or the one that a part becomes part of.
 */
export function isOnRemote({
  state,
  remoteId,
}: {
  state: VersionState
  remoteId?: string | undefined
}): boolean {
  return state === 'synced' || (state === 'open' && remoteId !== undefined)
}
