import { once } from 'node:events'
import got, { type Request, type Response, TimeoutError } from 'got'
import pRetry from 'p-retry'
import { ArtifactError, systemCode } from '../errors.js'
import { checkAborted } from '../store/progress.js'
import { parseReferenceUri, referenceBaseName } from './parse-uri.js'
import { referenceChanged, referenceError } from './reference-error.js'
import type {
  FoundReference,
  OpenedReference,
  ReferenceEntry,
  ReferenceExtra,
  ReferenceHandler,
} from './reference-handler.js'

const MAX_REDIRECTS = 5
const CONNECT_MS = 10_000
/** Attempts after the first for a question; a download is tried again by whoever reads it. */
const RETRIES = 4
/** Content codings that got takes off. */
const DECODED = new Set(['gzip', 'x-gzip', 'deflate', 'br', 'identity'])

export interface HttpHandlerOptions {
  /** How long not a byte may arrive. Default 60,000 ms. */
  idleMs?: number
  /** Pause before the second attempt; doubles. Default 200 ms. */
  pauseMs?: number
}

/**
 * `http:` and `https:`. The ETag of a GET identifies the bytes: some servers give none, or another,
 * for HEAD. Bytes are asked for without a content coding; where a server uses one all the same,
 * what is kept are the decoded bytes, whose size is not known and which cannot be resumed.
 */
export function createHttpHandler(options: HttpHandlerOptions = {}): ReferenceHandler {
  const { idleMs = 60_000, pauseMs = 200 } = options

  const send = async (uri: string, headers: Record<string, string>, signal?: AbortSignal) => {
    checkAborted(signal)
    const stream = got.stream(uri, {
      headers: { 'user-agent': 'artifactd', 'accept-encoding': 'identity', ...headers },
      maxRedirects: MAX_REDIRECTS,
      retry: { limit: 0 },
      timeout: {
        lookup: CONNECT_MS,
        connect: CONNECT_MS,
        secureConnect: CONNECT_MS,
        socket: idleMs,
      },
      throwHttpErrors: false,
      signal,
    })
    // Whoever reads gets the error; one that comes between two reads must not end the process.
    stream.on('error', () => {})
    try {
      const [response] = (await once(stream, 'response')) as [Response]
      return new HttpAnswer(uri, stream, response)
    } catch (error) {
      checkAborted(signal)
      throw networkError(uri, error)
    }
  }

  /** The answer to a question, without its body. */
  const ask = (uri: string, headers: Record<string, string>, signal?: AbortSignal) =>
    pRetry(
      async () => {
        const answer = await send(uri, headers, signal)
        answer.close()
        if (answer.status !== 304) answer.expectSuccess()
        return answer
      },
      {
        retries: RETRIES,
        minTimeout: pauseMs,
        randomize: true,
        signal,
        shouldRetry: ({ error }) => error instanceof ArtifactError && error.retryable,
      },
    ).catch(error => {
      checkAborted(signal)
      throw error
    })

  const open = async (
    entry: ReferenceEntry,
    { from = 0, signal }: { from?: number; signal?: AbortSignal },
  ): Promise<OpenedReference> => {
    const etag = strongTag(entry)
    const resumes = from > 0 && etag !== undefined
    const headers = resumes ? { range: `bytes=${from}-`, 'if-match': etag } : {}
    const answer = await send(entry.ref, headers as Record<string, string>, signal)
    const isPart = answer.status === 206 || answer.status === 416
    if (resumes && isPart) {
      if (answer.status === 206 && answer.hasTag(entry) && answer.rangeStart === from) {
        return { from, body: answer.read(signal) }
      }
      answer.close()
      // Everything had come before the connection was cut.
      if (answer.status === 416 && answer.rangeTotal === from) return { from, body: nothing() }
      if (answer.etag !== undefined && !answer.hasTag(entry)) throw answer.changed()
      return open(entry, { signal })
    }
    try {
      answer.expectSuccess()
      if (isVerifiable(entry) && !answer.hasTag(entry)) throw answer.changed()
    } catch (error) {
      answer.close()
      throw error
    }
    return { from: 0, body: answer.read(signal) }
  }

  return {
    open,
    downloads: true,
    async *list(uri, { checksum, signal }) {
      const path = referenceBaseName(parseReferenceUri(uri))
      const found = { path, single: true, ref: uri }
      if (checksum) yield { ...found, ...(await ask(uri, {}, signal)).describe() }
      else yield { ...found, ...unidentified(uri) }
    },
    async check(entry, { signal }) {
      const etag = isVerifiable(entry) ? entry.extra?.etag : undefined
      const answer = await ask(
        entry.ref,
        etag === undefined ? {} : { 'if-none-match': etag },
        signal,
      )
      const same = answer.status === 304 || !isVerifiable(entry) || answer.hasTag(entry)
      if (!same) throw answer.changed()
    },
  }
}

type Described = Pick<FoundReference, 'digest' | 'size' | 'extra'>

function unidentified(uri: string): Described {
  return { digest: uri, size: 0, extra: { unverifiable: true, sizeUnknown: true } }
}

/** An ETag stands in the digest without its quotes: `"a"` is `a`, `W/"a"` is `W/a`. */
function tagDigest(etag: string): string {
  return etag.replace(/^(W\/)?"(.*)"$/, '$1$2')
}

function isVerifiable({ ref, digest }: ReferenceEntry): boolean {
  return digest !== ref
}

/** The ETag to resume with: a weak one does not say that the bytes are the same. */
function strongTag({ extra, digest }: ReferenceEntry): string | undefined {
  const etag = extra?.etag
  return etag?.startsWith('"') && tagDigest(etag) === digest ? etag : undefined
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** One answer; it is read or closed. */
class HttpAnswer {
  readonly #uri: string
  readonly #stream: Request
  readonly #headers: Response['headers']
  readonly status: number

  constructor(uri: string, stream: Request, response: Response) {
    this.#uri = uri
    this.#stream = stream
    this.#headers = response.headers
    this.status = response.statusCode
  }

  get etag(): string | undefined {
    return this.#headers.etag || undefined
  }

  get rangeStart(): number | undefined {
    return matchNumber(this.#headers['content-range'], /^bytes (\d+)-/)
  }

  get rangeTotal(): number | undefined {
    return matchNumber(this.#headers['content-range'], /^bytes \*\/(\d+)$/)
  }

  /** The ETag is the recorded one. Servers make one weak that they, or a proxy, compress. */
  hasTag({ digest }: ReferenceEntry): boolean {
    if (this.etag === undefined) return false
    const given = tagDigest(this.etag)
    const weak = (tag: string) => tag.replace(/^W\//, '')
    return given === digest || weak(given) === weak(digest)
  }

  describe(): Described {
    const coding = this.#headers['content-encoding']
    const length = matchNumber(this.#headers['content-length'], /^(\d+)$/)
    const known = coding === undefined || coding === 'identity' ? length : undefined
    const extra: ReferenceExtra = {
      ...(this.etag === undefined ? { unverifiable: true } : { etag: this.etag }),
      ...(known === undefined && { sizeUnknown: true }),
    }
    const digest = (this.etag && tagDigest(this.etag)) || this.#uri
    return { digest, size: known ?? 0, extra }
  }

  /** @throws for any status but 200, and for bytes in a coding that is not known. */
  expectSuccess(): void {
    if (this.status === 412) throw this.changed()
    if (this.status !== 200) {
      throw referenceError(this.#uri, this.status, `it answers with status ${this.status}`)
    }
    const coding = this.#headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
    if (coding === '' || DECODED.has(coding)) return
    throw unsupported(this.#uri, `its content coding "${coding}" is not known`)
  }

  changed(): ArtifactError {
    const now = this.etag === undefined ? 'it has no ETag now' : `its ETag is now ${this.etag}`
    return referenceChanged(this.#uri, this.status === 412 ? 'its ETag is another' : now)
  }

  async *read(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const part of this.#stream) yield part as Uint8Array
    } catch (error) {
      checkAborted(signal)
      throw networkError(this.#uri, error)
    } finally {
      this.close()
    }
  }

  close(): void {
    this.#stream.destroy()
  }
}

function matchNumber(text: string | undefined, pattern: RegExp): number | undefined {
  const found = pattern.exec(text ?? '')?.[1]
  return found === undefined ? undefined : Number(found)
}

function unsupported(uri: string, reason: string): ArtifactError {
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
