import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import got, { type Request, type Response } from 'got'
import type { z } from 'zod'
import type { RemoteMark } from '../catalog/catalog.js'
import { ArtifactError } from '../errors.js'
import { findProxy, type HttpProxy } from '../net/find-proxy.js'
import { parseRetryAfter } from '../net/parse-retry-after.js'
import type { RateLimit } from '../net/rate-limit.js'
import { checkAborted } from '../store/progress.js'
import { checkRemoteUrl } from '../store/settings.js'
import { contentDigest, DIGEST_HEADER, matchesDigest } from './content-digest.js'
import { API_PATH, errorMessage, MAX_ANSWER_BYTES, STORE_HEADER } from './messages.js'
import { networkError } from './network-error.js'
import { SESSION_HEADER } from './session-header.js'
import { formatSince, SINCE_HEADER } from './since-header.js'

/** Longest answer to a request that failed: an error of ours is far shorter. */
const MAX_ERROR_BYTES = 256 * 1024

export interface HttpTimeouts {
  /** For the address to be found, and then the connection to be made. Default 5,000 ms each. */
  connectMs?: number
  /** How long not a byte may move in either direction. Default 60,000 ms. */
  idleMs?: number
}

export interface HttpRequest {
  method?: 'GET' | 'POST'
  query?: Record<string, string>
  /** Content type of `body`. */
  type?: string
  /** Each part is asked for when the one before it has gone out. */
  body?: Buffer | string | AsyncIterable<Uint8Array>
  signal?: AbortSignal
  /** As in `CallOptions`. */
  since?: RemoteMark
}

/** The answer to a request that succeeded. The body must be read to its end or its iterator ended. */
export interface HttpAnswer {
  url: string
  status: number
  storeId: string
  /** What the answer says of its body: see `DIGEST_HEADER`. */
  digest?: string | string[] | undefined
  body: AsyncIterable<Uint8Array>
}

export interface HttpTransportOptions {
  /** Default null: none is sent. */
  apiKey?: string | null
  /** Certificates in PEM form that are trusted instead of the system's. */
  ca?: string[]
  /** What all bodies pass, in both directions. Default: none. */
  limit?: RateLimit
  timeouts?: HttpTimeouts
}

/** One request to an artifactd server, whatever it is about. Maps every failure to a coded error. */
export class HttpTransport {
  /** Without a slash at its end. */
  readonly url: string
  readonly #options: HttpTransportOptions
  readonly #session = randomBytes(16).toString('hex')

  /** @throws `INVALID_CONFIG` for an address or a key that cannot be used; neither is repeated. */
  constructor(url: string, options: HttpTransportOptions) {
    this.url = checkRemoteUrl(url)
    this.#options = options
    const { apiKey = null } = options
    if (apiKey !== null && !/^[\x21-\x7e]+$/.test(apiKey)) {
      throw new ArtifactError('INVALID_CONFIG', 'an API key is printable ASCII without spaces')
    }
  }

  /** @param path segments under the API, not yet encoded. */
  async request(path: string[], request: HttpRequest = {}): Promise<HttpAnswer> {
    const { signal } = request
    checkAborted(signal)
    const url = new URL(`${this.url}${API_PATH}/${path.map(encodeURIComponent).join('/')}`)
    for (const [name, value] of Object.entries(request.query ?? {})) {
      url.searchParams.set(name, value)
    }
    const call = this.#start(url, request, await findProxy(url))
    let response: Response
    try {
      ;[response] = (await once(call.stream, 'response')) as [Response]
    } catch (error) {
      throw call.options.explain(error)
    }
    const status = response.statusCode
    const storeId = response.headers[STORE_HEADER]
    if (status < 200 || status > 299) throw await this.#toError(call, response)
    if (typeof storeId !== 'string' || !/^[0-9a-f]{32}$/.test(storeId)) {
      call.stream.destroy()
      throw invalidAnswer('it does not say which store it is of', { url: url.href, status })
    }
    const digest = response.headers[DIGEST_HEADER]
    return { url: url.href, status, storeId, digest, body: call.read() }
  }

  #start(url: URL, request: HttpRequest, proxy: HttpProxy | undefined): HttpCall {
    const { method = 'GET', type, body, signal, since } = request
    const { apiKey = null, ca, limit, timeouts = {} } = this.#options
    const { connectMs = 5000, idleMs = 60_000 } = timeouts
    // What the body itself throws, for got would wrap it into an error of its own.
    let failure: { error: unknown } | undefined
    const isWhole = typeof body === 'string' || Buffer.isBuffer(body)
    const upload =
      body === undefined || isWhole
        ? body
        : watchErrors(limit ? limit.pass(body, signal) : body, error => {
            failure = { error }
          })
    const stream = got.stream(url, {
      method,
      headers: {
        'user-agent': 'artifactd',
        ...(type !== undefined && { 'content-type': type }),
        ...(isWhole && { [DIGEST_HEADER]: contentDigest(body) }),
        [SESSION_HEADER]: this.#session,
        ...(since && { [SINCE_HEADER]: formatSince(since) }),
        ...(apiKey !== null && { authorization: `Bearer ${apiKey}` }),
      },
      ...(upload !== undefined && { body: upload }),
      ...proxy?.options,
      ...(ca && { https: { certificateAuthority: ca } }),
      signal,
      retry: { limit: 0 },
      timeout: {
        lookup: connectMs,
        connect: connectMs,
        secureConnect: connectMs,
        socket: idleMs,
      },
      followRedirect: false,
      throwHttpErrors: false,
      decompress: false,
    })
    const explain = (error: unknown) => {
      checkAborted(signal)
      return failure ? failure.error : networkError(error, url, proxy)
    }
    return new HttpCall(stream, { url, proxy, limit, signal, explain })
  }

  async #toError(call: HttpCall, response: Response): Promise<ArtifactError> {
    const { headers, statusCode: status } = response
    const { url, proxy } = call.options
    const retryAfterMs = parseRetryAfter(headers['retry-after'], headers.date)
    const details = {
      url: url.href,
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    }
    const bytes = await readAll(call.read(), MAX_ERROR_BYTES)
    if (bytes && !matchesDigest(bytes, headers[DIGEST_HEADER])) return damagedAnswer(details)
    const given = errorMessage.safeParse(bytes && parseJson(bytes)).data?.error
    if (status === 401 || status === 403) {
      const message = given?.message ?? `${url.origin} refuses the API key`
      return new ArtifactError('REMOTE_UNAUTHORIZED', message, { details })
    }
    if (given) return withDetails(given, { retryAfterMs })
    if (status === 407 && proxy) {
      const message = `the proxy ${proxy.origin} wants credentials: http://NAME:PASSWORD@HOST`
      return new ArtifactError('REMOTE_UNREACHABLE', message, { details })
    }
    if (status >= 500 || status === 429) {
      const message = `${url.href} answers with status ${status}`
      return new ArtifactError('REMOTE_FAILED', message, { details })
    }
    const what = ADVICE.get(status) ?? 'no error of ours'
    return invalidAnswer(`it has status ${status} and ${what}`, details)
  }
}

/** What other programs between the two mean by a status, and what to do about it. */
const ADVICE = new Map([
  [413, 'comes from a proxy that takes no body of this size (nginx: client_max_body_size 0)'],
])

interface HttpCallOptions {
  url: URL
  proxy: HttpProxy | undefined
  limit: RateLimit | undefined
  signal: AbortSignal | undefined
  /** The error to throw for one that the stream gave. */
  explain: (error: unknown) => unknown
}

/** One exchange under way. */
class HttpCall {
  readonly stream: Request
  readonly options: HttpCallOptions

  constructor(stream: Request, options: HttpCallOptions) {
    this.stream = stream
    this.options = options
    // Whoever reads gets the error; one that comes between two reads must not end the process.
    stream.on('error', () => {})
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    const { limit, signal, explain } = this.options
    try {
      yield* limit ? limit.pass(this.stream, signal) : this.stream
    } catch (error) {
      throw explain(error)
    } finally {
      this.stream.destroy()
    }
  }
}

/**
 * Reads a JSON answer.
 * @throws `REMOTE_INVALID` when it is not what `schema` says.
 */
export async function readMessage<T>(answer: HttpAnswer, schema: z.ZodType<T>): Promise<T> {
  const { url, status } = answer
  const bytes = await readAnswer(answer, MAX_ANSWER_BYTES)
  const parsed = schema.safeParse(bytes && parseJson(bytes))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue && issue.path.length > 0 ? ` at ${issue.path.join('.')}` : ''
  throw invalidAnswer(`${issue?.message ?? 'it is not valid'}${where}`, { url, status })
}

/**
 * The whole body, or null when it is longer than `max`.
 * @throws `REMOTE_INVALID` when it was changed on its way.
 */
export async function readAnswer(answer: HttpAnswer, max: number): Promise<Buffer | null> {
  const bytes = await readAll(answer.body, max)
  if (!bytes || matchesDigest(bytes, answer.digest)) return bytes
  throw damagedAnswer(answer)
}

function damagedAnswer(details: { url: string; status: number }): ArtifactError {
  return invalidAnswer('its bytes were changed on their way', details)
}

async function readAll(body: AsyncIterable<Uint8Array>, max: number): Promise<Buffer | null> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body) {
    length += part.length
    if (length > max) return null
    parts.push(part)
  }
  return Buffer.concat(parts)
}

export function invalidAnswer(
  reason: string,
  details: { url: string; status: number },
  cause?: unknown,
): ArtifactError {
  const message = `the answer of ${details.url} makes no sense: ${reason}`
  return new ArtifactError('REMOTE_INVALID', message, { cause, details })
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

/** The other side's error, with what the head of its answer says. */
function withDetails(error: ArtifactError, { retryAfterMs }: { retryAfterMs: number | undefined }) {
  if (retryAfterMs === undefined) return error
  const { code, message, details } = error
  return new ArtifactError(code, message, { details: { ...details, retryAfterMs } })
}

async function* watchErrors(
  parts: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* parts
  } catch (error) {
    onError(error)
    throw error
  }
}
