import { type RateLimit, sharedLimit } from '../net/rate-limit.js'
import { readCaFile } from '../net/read-ca-file.js'
import { openHttpRemote } from '../remote/http-remote.js'
import type { Remote } from '../remote/remote.js'
import { retryRemote } from '../remote/retrying-remote.js'
import type { Settings } from '../store/settings.js'
import type { OpenRemote } from './push.js'

export type RemoteSettings = Pick<Settings, 'remote' | 'apiKey'> &
  Partial<Pick<Settings, 'caFile' | 'limit'>>

/**
 * Opens remotes by URL as the settings say: with their API key, their limit and with retries. The key goes
 * only to the remote of the settings, or, if they name none, to whichever is opened.
 *
 * @param options.retries how often a call is repeated that may succeed later. Default 5.
 * @param options.rate what all bodies pass instead of the limit of the settings.
 * @throws `INVALID_CONFIG`, when one is opened, for a CA file that cannot be used.
 */
export function createRemoteOpener(
  { remote, apiKey, caFile, limit }: RemoteSettings,
  { retries, rate }: { retries?: number; rate?: RateLimit } = {},
): OpenRemote {
  return (url): Remote => {
    const isOurs = remote === null || remote === url
    const key = (isOurs && apiKey) || undefined
    const ca = caFile ? readCaFile(caFile) : undefined
    const shared = rate ?? (limit ? sharedLimit(limit) : undefined)
    return retryRemote(openHttpRemote({ url, apiKey: key, ca, limit: shared }), { retries })
  }
}
