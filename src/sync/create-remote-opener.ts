import { openHttpRemote } from '../remote/http-remote.js'
import type { Remote } from '../remote/remote.js'
import { retryRemote } from '../remote/retrying-remote.js'
import type { Settings } from '../store/settings.js'
import type { OpenRemote } from './push.js'

/**
 * Opens remotes by URL as the settings say: with their API key and with retries. The key goes only
 * to the remote of the settings, or, if they name none, to whichever is opened.
 *
 * @param retries how often a call is repeated that may succeed later. Default 5.
 */
export function createRemoteOpener(
  { remote, apiKey }: Pick<Settings, 'remote' | 'apiKey'>,
  { retries }: { retries?: number } = {},
): OpenRemote {
  return (url): Remote => {
    const isOurs = remote === null || remote === url
    const key = (isOurs && apiKey) || undefined
    return retryRemote(openHttpRemote({ url, apiKey: key }), { retries })
  }
}
