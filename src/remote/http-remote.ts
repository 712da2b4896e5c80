import type { Page, VersionFilter, VersionSummary } from '../catalog/catalog.js'
import { ArtifactError, isArtifactError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { checkRun } from '../model/check-run.js'
import type { EdgeQuery, FoundEdge, VersionRef } from '../model/lineage.js'
import {
  checkAlias,
  checkEntity,
  checkId,
  checkName,
  checkProject,
  checkTags,
  checkType,
} from '../model/names.js'
import type { Selector } from '../model/reference-name.js'
import type { CollectionName } from '../model/version.js'
import { encodePackStream, type WireItem } from '../pack/encode-pack-stream.js'
import { parsePackRuns, type StreamedItem } from '../pack/parse-pack-stream.js'
import { gatherParts } from './gather-parts.js'
import {
  type HttpAnswer,
  HttpTransport,
  type HttpTransportOptions,
  invalidAnswer,
  readAnswer,
  readMessage,
} from './http-transport.js'
import { decodeIndices, encodeKeyRows } from './key-rows.js'
import { edgesAnswer } from './lineage-messages.js'
import {
  capabilitiesMessage,
  commitAnswer,
  deletedAnswer,
  freedAnswer,
  KEYS_TYPE,
  listAnswer,
  MAX_COMMIT_BYTES,
  MAX_ITEMS,
  MAX_KEYS,
  PACK_TYPE,
  PROTOCOL,
  sendAnswer,
  versionAnswer,
} from './messages.js'
import type {
  CallOptions,
  Capabilities,
  CommitAnswer,
  CommitItem,
  CommitResult,
  Remote,
  RemoteVersion,
  SendResult,
} from './remote.js'

/** Of a pack, looked through at once: a socket gives less than a chunk at a time. */
const GATHERED_BYTES = 512 * 1024

export interface HttpRemoteOptions extends HttpTransportOptions {
  /** http or https, without credentials; its path, if it has one, comes before that of the API. */
  url: string
}

/**
 * The remote behind an artifactd server (docs/protocol.md). It makes no request by itself and tries
 * none twice.
 *
 * @throws `INVALID_CONFIG` for a URL or an API key that cannot be used.
 */
export function openHttpRemote({ url, ...options }: HttpRemoteOptions): Remote {
  return new HttpRemote(new HttpTransport(url, options))
}

class HttpRemote implements Remote {
  readonly #transport: HttpTransport

  constructor(transport: HttpTransport) {
    this.#transport = transport
  }

  get url(): string {
    return this.#transport.url
  }

  async capabilities(options: CallOptions = {}): Promise<Capabilities> {
    const answer = await this.#transport.request(['capabilities'], options)
    return expectProtocol(await readMessage(answer, capabilitiesMessage), answer)
  }

  async commit(
    collection: CollectionName,
    items: CommitItem[],
    { signal, since }: CallOptions = {},
  ): Promise<CommitAnswer> {
    const path = [...collectionPath(collection), 'commit']
    const results: CommitResult[] = []
    let storeId = ''
    let capabilities: Capabilities | undefined
    for (const { body, length } of sliceItems(items)) {
      const request = { method: 'POST', type: 'application/json', body, signal, since } as const
      const answer = await this.#transport.request(path, request)
      const message = await readMessage(answer, commitAnswer)
      const given = message.results
      if (given.length !== length) {
        throw invalidAnswer(`${given.length} results for ${length} items`, answer)
      }
      storeId = answer.storeId
      capabilities = message.capabilities && expectProtocol(message.capabilities, answer)
      results.push(...given)
      if (given.at(-1)?.status !== 'committed') break
    }
    // Later slices were not sent: nothing of them may be committed before this one is.
    while (results.length < items.length) results.push({ status: 'waiting', pieces: [] })
    return { storeId, ...(capabilities && { capabilities }), results }
  }

  async listMissing(
    entity: string,
    keys: BlobKey[],
    { signal }: CallOptions = {},
  ): Promise<number[]> {
    const answer = await this.#postKeys([...entityPath(entity), 'missing'], keys, signal)
    const bytes = await readAnswer(answer, MAX_KEYS * 4)
    const indices = bytes && decodeIndices(bytes, keys.length)
    if (!indices) throw invalidAnswer('it is no list of indices', answer)
    return indices
  }

  async send(
    entity: string,
    records: () => AsyncIterable<WireItem>,
    { signal }: CallOptions = {},
  ): Promise<SendResult> {
    const body = encodePackStream(records())
    const request = { method: 'POST', type: PACK_TYPE, body, signal } as const
    const answer = await this.#transport.request([...entityPath(entity), 'packs'], request)
    return readMessage(answer, sendAnswer)
  }

  async *fetch(
    entity: string,
    keys: BlobKey[],
    { signal }: CallOptions = {},
  ): AsyncGenerator<StreamedItem, void, undefined> {
    const answer = await this.#postKeys([...entityPath(entity), 'fetch'], keys, signal)
    try {
      yield* parsePackRuns(gatherParts(answer.body, GATHERED_BYTES))
    } catch (error) {
      if (!isArtifactError(error, 'PACK_INVALID')) throw error
      throw invalidAnswer(error.message, answer, error)
    }
  }

  async findVersion(
    collection: CollectionName,
    selector: Selector,
    { signal }: CallOptions = {},
  ): Promise<RemoteVersion> {
    const path = [...collectionPath(collection), 'versions', formatSelector(selector)]
    const answer = await this.#transport.request(path, { signal })
    const { version } = await readMessage(answer, versionAnswer)
    checkVersion(version, answer)
    if (version.project !== collection.project || version.name !== collection.name) {
      throw invalidAnswer('it is a version of something else', answer)
    }
    return { storeId: answer.storeId, version: { ...version, entity: collection.entity } }
  }

  async listVersions(
    filter: VersionFilter,
    after?: string,
    { signal }: CallOptions = {},
  ): Promise<Page<VersionSummary>> {
    const { entity = 'default', project, name, type } = filter
    const given = Object.entries({ entity, project, name, type, after })
    const query = Object.fromEntries(
      given.filter((pair): pair is [string, string] => pair[1] !== undefined),
    )
    const answer = await this.#transport.request(['versions'], { query, signal })
    const page = await readMessage(answer, listAnswer)
    for (const version of page.items) checkVersion(version, answer)
    return page
  }

  async listDeleted(
    entity: string,
    ids: string[],
    { signal }: CallOptions = {},
  ): Promise<string[]> {
    const answer = await this.#postJson([...entityPath(entity), 'deleted'], { ids }, signal)
    const asked = new Set(ids)
    const deleted = (await readMessage(answer, deletedAnswer)).ids
    if (deleted.every(id => asked.has(id))) return deleted
    throw invalidAnswer('it names a version that was not asked for', answer)
  }

  async measureFreed(entity: string, ids: string[], { signal }: CallOptions = {}): Promise<number> {
    const answer = await this.#postJson([...entityPath(entity), 'freed'], { ids }, signal)
    return (await readMessage(answer, freedAnswer)).bytes
  }

  async listEdges(
    entity: string,
    queries: EdgeQuery[],
    after?: string,
    { signal }: CallOptions = {},
  ): Promise<Page<FoundEdge>> {
    const answer = await this.#postJson(
      [...entityPath(entity), 'edges'],
      { queries, after },
      signal,
    )
    const page = await readMessage(answer, edgesAnswer)
    for (const edge of page.items) checkEdge(edge, answer)
    return page
  }

  #postJson(path: string[], message: object, signal?: AbortSignal): Promise<HttpAnswer> {
    const body = JSON.stringify(message)
    return this.#transport.request(path, { method: 'POST', type: 'application/json', body, signal })
  }

  #postKeys(path: string[], keys: BlobKey[], signal?: AbortSignal): Promise<HttpAnswer> {
    const body = encodeKeyRows(keys)
    return this.#transport.request(path, { method: 'POST', type: KEYS_TYPE, body, signal })
  }
}

function entityPath(entity: string): string[] {
  return ['entities', entity]
}

function collectionPath({ entity, project, name }: CollectionName): string[] {
  return [...entityPath(entity), 'projects', project, 'artifacts', name]
}

/** The ":" keeps aliases such as ".." and "@a" apart from steps in a path and from ids. */
function formatSelector(selector: Selector): string {
  if (selector.kind === 'id') return `@${selector.id}`
  return selector.kind === 'number' ? `v${selector.number}` : `:${selector.alias}`
}

/** Bodies of commits, in order, within the limits of the server unless one item alone is not. */
function* sliceItems(items: CommitItem[]): Generator<{ body: string; length: number }> {
  let texts: string[] = []
  let bytes = 0
  const slice = () => ({ body: `{"items":[${texts.join(',')}]}`, length: texts.length })
  for (const item of items) {
    const text = JSON.stringify(item)
    const length = Buffer.byteLength(text) + 1
    if (texts.length === MAX_ITEMS || (texts.length > 0 && bytes + length > MAX_COMMIT_BYTES / 2)) {
      yield slice()
      texts = []
      bytes = 0
    }
    texts.push(text)
    bytes += length
  }
  if (texts.length > 0) yield slice()
}

/** Names from a server become keys of a catalog and names of folders: they obey the rules too. */
function checkVersion(version: Omit<VersionSummary, 'settled'>, answer: HttpAnswer): void {
  checkNames(answer, () => {
    checkRef(version)
    checkTags(version.tags)
    version.aliases.map(checkAlias)
  })
}

function checkEdge({ run, version }: FoundEdge, answer: HttpAnswer): void {
  checkNames(answer, () => {
    checkRun(run)
    checkRef(version)
    if (version.remoteId !== undefined) checkId(version.remoteId)
  })
}

function checkRef({ id, entity, project, name, type }: VersionRef): void {
  checkId(id)
  checkEntity(entity)
  checkProject(project)
  checkName(name)
  checkType(type)
}

function checkNames(answer: HttpAnswer, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error
    throw invalidAnswer(error.message, answer, error)
  }
}

/** @throws `PROTOCOL_UNSUPPORTED` when a server speaks no version of the protocol that this program does. */
function expectProtocol(capabilities: Capabilities, { url }: HttpAnswer): Capabilities {
  const { min, max } = capabilities.protocol
  if (min <= PROTOCOL.max && max >= PROTOCOL.min) return capabilities
  const range = (from: number, to: number) => (from === to ? `${from}` : `${from} to ${to}`)
  throw new ArtifactError(
    'PROTOCOL_UNSUPPORTED',
    `the server at ${new URL(url).origin} speaks version ${range(min, max)} of the protocol, ` +
      `and this program ${range(PROTOCOL.min, PROTOCOL.max)}`,
    { details: { url, protocol: capabilities.protocol, own: PROTOCOL } },
  )
}
