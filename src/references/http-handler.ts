import type { ArtifactError } from '../errors.js'
import { checkAborted } from '../store/progress.js'
import { type HttpAnswer, sendHttp, statusError, unsupported } from './http-request.js'
import { parseReferenceUri, referenceBaseName } from './parse-uri.js'
import { referenceChanged } from './reference-error.js'
import type {
  FoundReference,
  OpenedReference,
  ReferenceEntry,
  ReferenceExtra,
  ReferenceHandler,
} from './reference-handler.js'
import { retryReference } from './retry-reference.js'

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
  const { idleMs, pauseMs = 200 } = options

  const send = async (
    uri: string,
    given: Record<string, string>,
    options: { signal?: AbortSignal; decompress?: boolean },
  ) => {
    const headers = { 'accept-encoding': 'identity', ...given }
    return new TaggedAnswer(uri, await sendHttp(uri, uri, { headers, idleMs, ...options }))
  }

  /** The answer to a question, without its body. */
  const ask = (uri: string, headers: Record<string, string>, signal?: AbortSignal) =>
    retryReference(
      async () => {
        const answer = await send(uri, headers, { signal })
        answer.close()
        if (answer.status !== 304) answer.expectSuccess()
        return answer
      },
      { pauseMs, signal },
    ).catch(error => {
      checkAborted(signal)
      throw error
    })

  const openWhole = async (
    entry: ReferenceEntry,
    signal: AbortSignal | undefined,
  ): Promise<OpenedReference> => {
    const answer = await send(entry.ref, {}, { signal })
    try {
      answer.expectSuccess()
      if (isVerifiable(entry) && !answer.hasTag(entry)) throw answer.changed()
    } catch (error) {
      answer.close()
      throw error
    }
    return { from: 0, body: answer.read() }
  }

  const open = async (
    entry: ReferenceEntry,
    { from = 0, signal }: { from?: number; signal?: AbortSignal },
  ): Promise<OpenedReference> => {
    const etag = strongTag(entry)
    if (from === 0 || etag === undefined) return openWhole(entry, signal)
    const headers = { range: `bytes=${from}-`, 'if-match': etag }
    // A part of coded bytes cannot be decoded; taken off, the coding could not be seen.
    const answer = await send(entry.ref, headers, { signal, decompress: false })
    if (answer.coding === 'identity' && answer.hasTag(entry)) {
      if (answer.status === 200) return { from: 0, body: answer.read() }
      const fits = answer.status === 206 && answer.rangeStart === from
      if (fits) return { from, body: answer.read() }
    }
    answer.close()
    // Everything had come before the connection was cut.
    if (answer.status === 416 && answer.rangeTotal === from) return { from, body: nothing() }
    if (answer.status !== 206 && answer.status !== 416) answer.expectSuccess()
    if (answer.etag !== undefined && !answer.hasTag(entry)) throw answer.changed()
    return openWhole(entry, signal)
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
      const etag = isVerifiable(entry) ? recordedTag(entry) : undefined
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

/** The ETag as it was sent. Entries come from anywhere, and with anything in them. */
function recordedTag({ extra, digest }: ReferenceEntry): string | undefined {
  const etag: unknown = extra?.etag
  return typeof etag === 'string' && tagDigest(etag) === digest ? etag : undefined
}

/** The ETag to resume with: a weak one does not say that the bytes are the same. */
function strongTag(entry: ReferenceEntry): string | undefined {
  const etag = recordedTag(entry)
  return etag?.startsWith('"') ? etag : undefined
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** What the head of an answer says of the bytes. */
class TaggedAnswer {
  readonly #uri: string
  readonly #answer: HttpAnswer
  readonly #headers: HttpAnswer['headers']
  readonly status: number

  constructor(uri: string, answer: HttpAnswer) {
    this.#uri = uri
    this.#answer = answer
    this.#headers = answer.headers
    this.status = answer.status
  }

  get etag(): string | undefined {
    return this.#headers.etag || undefined
  }

  get coding(): string {
    return this.#headers['content-encoding']?.trim().toLowerCase() || 'identity'
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
    const length = matchNumber(this.#headers['content-length'], /^(\d+)$/)
    const known = this.coding === 'identity' ? length : undefined
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
      throw statusError(this.#uri, this.#answer)
    }
    if (DECODED.has(this.coding)) return
    throw unsupported(this.#uri, `its content coding "${this.coding}" is not known`)
  }

  changed(): ArtifactError {
    const now = this.etag === undefined ? 'it has no ETag now' : `its ETag is now ${this.etag}`
    return referenceChanged(this.#uri, this.status === 412 ? 'its ETag is another' : now)
  }

  read(): AsyncIterable<Uint8Array> {
    return this.#answer.read()
  }

  close(): void {
    this.#answer.close()
  }
}

function matchNumber(text: string | undefined, pattern: RegExp): number | undefined {
  const found = pattern.exec(text ?? '')?.[1]
  return found === undefined ? undefined : Number(found)
}
