import { type ClientRequest, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { OptionsInit } from 'got'
import { ArtifactError } from '../errors.js'
import { isLoopback } from './is-loopback.js'

/** How a request goes through a proxy. */
export interface HttpProxy {
  /** Without credentials, for messages. */
  origin: string
  /** What `got` is to be given. */
  options: Pick<OptionsInit, 'agent' | 'request'>
}

const VARIABLES = ['http_proxy', 'https_proxy', 'all_proxy']
/** One a proxy and scheme, so that connections are used again. */
const proxies = new Map<string, HttpProxy>()

/**
 * The proxy that the environment names for a URL: `HTTP_PROXY` or `HTTPS_PROXY` by its scheme, else
 * `ALL_PROXY`, unless `NO_PROXY` excepts its host; names in lower case count first. Loopback is never
 * reached through one. Undefined when there is none; then nothing is loaded.
 *
 * @throws `INVALID_CONFIG` for what is not the http or https URL of a proxy.
 */
export async function findProxy(url: URL): Promise<HttpProxy | undefined> {
  if (isLoopback(url.hostname)) return undefined
  const isSet = VARIABLES.some(name => process.env[name] || process.env[name.toUpperCase()])
  if (!isSet) return undefined
  const { getProxyForUrl } = await import('proxy-from-env')
  const text = getProxyForUrl(url.href)
  if (!text) return undefined
  const key = `${url.protocol} ${text}`
  const known = proxies.get(key)
  if (known) return known
  const address = parseProxy(text)
  const options = url.protocol === 'https:' ? await tunnelTo(address) : passTo(address)
  const made = { origin: address.origin, options }
  proxies.set(key, made)
  return made
}

async function tunnelTo(address: URL): Promise<HttpProxy['options']> {
  const { HttpsProxyAgent } = await import('https-proxy-agent')
  return { agent: { https: new HttpsProxyAgent(address, { keepAlive: true }) } }
}

/**
 * Plain HTTP is asked of the proxy itself, by the whole URL (RFC 9112, 3.2.2): many allow a tunnel to
 * port 443 only.
 */
function passTo({ protocol, hostname, port, username, password }: URL): HttpProxy['options'] {
  const send = protocol === 'https:' ? httpsRequest : httpRequest
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  return {
    request: (url, options, callback): ClientRequest =>
      send(
        {
          ...options,
          protocol,
          hostname,
          port,
          path: url.href,
          headers: {
            ...options.headers,
            host: url.host,
            ...(credentials !== ':' && { 'proxy-authorization': authorization }),
          },
        },
        callback,
      ),
  }
}

function parseProxy(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  // It may hold a password, so it is not repeated.
  throw new ArtifactError(
    'INVALID_CONFIG',
    'HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is not the http:// or https:// URL of a proxy',
  )
}
