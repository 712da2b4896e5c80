import { once } from 'node:events'
import got, { type Request, type Response, TimeoutError } from 'got'
import { ArtifactError, systemCode } from '../errors.js'
import { findProxy } from '../net/find-proxy.js'
import { parseRetryAfter } from '../net/parse-retry-after.js'
import { checkAborted } from '../store/progress.js'
import { referenceError } from './reference-error.js'

const MAX_REDIRECTS = 5
const CONNECT_MS = 10_000

export interface HttpRequestOptions {
  headers: Record<string, string>
  signal?: AbortSignal
  /** How long not a byte may arrive. Default 60,000 ms. */
  idleMs?: number
  /** Take content codings off. Default true. */
  decompress?: boolean
}

/** The head of an answer, whatever its status; it must be read to its end or closed. */
export interface HttpAnswer {
  status: number
  headers: Response['headers']
  /** @throws `REFERENCE_FAILED`, also for a body that is cut or stalls; `INTERRUPTED`. */
  read(): AsyncGenerator<Uint8Array, void, undefined>
  close(): void
}

/**
 * One GET, made once. Redirects are followed, five of them, to http and https only.
 *
 * @param uri what messages call it.
 * @throws `REFERENCE_FAILED` without an answer; `REFERENCE_UNSUPPORTED` for redirects that are not
 *   followed; `INTERRUPTED`.
 */
export async function sendHttp(
  url: string,
  uri: string,
  { headers, signal, idleMs = 60_000, decompress = true }: HttpRequestOptions,
): Promise<HttpAnswer> {
  checkAborted(signal)
  const proxy = await findProxy(new URL(url))
  const stream = got.stream(url, {
    ...proxy?.options,
    headers: { 'user-agent': 'artifactd', ...headers },
    maxRedirects: MAX_REDIRECTS,
    retry: { limit: 0 },
    timeout: {
      lookup: CONNECT_MS,
      connect: CONNECT_MS,
      secureConnect: CONNECT_MS,
      socket: idleMs,
    },
    throwHttpErrors: false,
    decompress,
    signal,
  })
  // Whoever reads gets the error; one that comes between two reads must not end the process.
  stream.on('error', () => {})
  const explain = (error: unknown) => {
    checkAborted(signal)
    return networkError(uri, error)
  }
  try {
    const [response] = (await once(stream, 'response')) as [Response]
    return {
      status: response.statusCode,
      headers: response.headers,
      read: () => read(stream, explain),
      close: () => void stream.destroy(),
    }
  } catch (error) {
    throw explain(error)
  }
}

async function* read(
  stream: Request,
  explain: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const part of stream) yield part as Uint8Array
  } catch (error) {
    throw explain(error)
  } finally {
    stream.destroy()
  }
}

/** The error for an answer that has another status than it should. */
export function statusError(
  uri: string,
  { status, headers }: Pick<HttpAnswer, 'status' | 'headers'>,
): ArtifactError {
  const retryAfterMs = parseRetryAfter(headers['retry-after'], headers.date)
  return referenceError(uri, status, `it answers with status ${status}`, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

export function unsupported(uri: string, reason: string): ArtifactError {
  return new ArtifactError('REFERENCE_UNSUPPORTED', `cannot read ${uri}: ${reason}`, {
    details: { uri },
  })
}

function networkError(uri: string, error: unknown): ArtifactError {
  const { message } = error as Error
  const code = systemCode(error)
  if (code === 'ERR_UNSUPPORTED_PROTOCOL') {
    return unsupported(uri, 'it redirects to what is not http or https')
  }
  if (code === 'ERR_TOO_MANY_REDIRECTS') {
    return unsupported(uri, `it redirects more than ${MAX_REDIRECTS} times`)
  }
  const isTimeout = error instanceof TimeoutError
  const reason = isTimeout ? `no answer in time (${error.event}, ${message})` : message
  return referenceError(uri, undefined, reason)
}
