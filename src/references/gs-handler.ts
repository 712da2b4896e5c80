import type { Storage } from '@google-cloud/storage'
import { listPages } from '../catalog/list-pages.js'
import { ArtifactError, isArtifactError } from '../errors.js'
import { checkAborted } from '../store/progress.js'
import {
  type BucketClient,
  type BucketLocation,
  type BucketObject,
  type BucketQuestion,
  checkBucket,
  listBucket,
  locateRecorded,
  recordedVersion,
  toPage,
} from './bucket.js'
import { sendHttp, statusError } from './http-request.js'
import { loadSdk } from './load-sdk.js'
import { invalidUri } from './parse-uri.js'
import { referenceError } from './reference-error.js'
import type { OpenedReference, ReferenceHandler } from './reference-handler.js'

type Sdk = typeof import('@google-cloud/storage')

/** Objects, as this client gives them where `fields` are asked for, and the next query. */
type Answer = [(Metadata & { name: string })[], { pageToken?: string } | null]

/** The most that GCS lists in one answer. */
const PAGE_OBJECTS = 1000
const FIELDS = 'name,size,md5Hash,crc32c,generation'

// The slash at the end tells it from the default, for which the client wants credentials.
const PUBLIC_ENDPOINT = 'https://storage.googleapis.com/'

/**
 * `gs://BUCKET/KEY[#GENERATION]`. The key is taken as it is, not decoded; a `#` that is not
 * followed by digits to the end is part of it.
 * @throws `INVALID_URI`.
 */
export function parseGsUri(uri: string): BucketLocation {
  const [, bucket, rest = ''] = /^gs:\/\/([a-z0-9][a-z0-9._-]{1,221})(?:\/(.*))?$/i.exec(uri) ?? [
    undefined,
    undefined,
  ]
  if (bucket === undefined) throw invalidUri(uri, 'write gs://BUCKET/KEY')
  const [, key, version] = /^(.*)#(\d+)$/.exec(rest) ?? [undefined, rest, undefined]
  return { bucket, key: key!, ...(version !== undefined && { version }) }
}

export function formatGsUri({ bucket, key }: BucketLocation, generation: string, pinned = false) {
  const uri = `gs://${bucket}/${key}`
  return pinned || /#\d+$/.test(key) ? `${uri}#${generation}` : uri
}

/**
 * `gs:`, through `@google-cloud/storage`, with credentials and endpoint as that finds them. Without
 * credentials requests carry none, which public buckets take.
 * @throws `PACKAGE_MISSING`.
 */
export async function createGsHandler(): Promise<ReferenceHandler> {
  const sdk = await loadSdk('@google-cloud/storage', () => import('@google-cloud/storage'))
  const { storage, authorize } = await connect(sdk)

  async function find(
    location: BucketLocation,
    { uri, signal }: BucketQuestion,
  ): Promise<BucketObject | undefined> {
    checkAborted(signal)
    const { bucket, key, version } = location
    try {
      const file = storage.bucket(bucket).file(key, { generation: version })
      const [metadata] = await file.getMetadata()
      return toObject(location, metadata)
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw gsError(error, uri)
    }
  }

  async function* listPrefix(
    { bucket, key: prefix }: BucketLocation,
    { uri, signal }: BucketQuestion,
  ): AsyncGenerator<BucketObject[]> {
    const query = {
      prefix,
      maxResults: PAGE_OBJECTS,
      autoPaginate: false,
      fields: `items(${FIELDS}),nextPageToken`,
    }
    const list = async (after?: string) => {
      checkAborted(signal)
      const asked = storage.bucket(bucket).getFiles({ ...query, pageToken: after })
      const [objects, further] = (await asked) as unknown as Answer
      return toPage(objects, { uri, after, next: further?.pageToken, more: further !== null })
    }
    try {
      for await (const objects of listPages(list)) {
        yield objects.map(object => toObject({ bucket, key: object.name }, object))
      }
    } catch (error) {
      throw gsError(error, uri)
    }
  }

  const bucket: BucketClient = { parse: parseGsUri, find, listPrefix }

  /**
   * The bytes as they are stored: digest and size are of those, whatever their content encoding.
   * Not through the client, whose stream of a body that is cut never ends.
   */
  async function readFrom(
    { bucket, key, version }: BucketLocation,
    { uri, start, signal }: BucketQuestion & { start: number },
  ): Promise<OpenedReference> {
    const url = new URL(`${storage.baseUrl}/b/${bucket}/o/${encodeURIComponent(key)}?alt=media`)
    if (version !== undefined) url.searchParams.set('generation', version)
    const answer = await sendHttp(url.href, uri, {
      headers: {
        ...(await authorize()),
        // Otherwise what is stored with gzip would come decoded.
        'accept-encoding': 'gzip',
        ...(start > 0 && { range: `bytes=${start}-` }),
      },
      signal,
      decompress: false,
    })
    if (answer.status === 200) return { from: 0, body: answer.read() }
    if (answer.status === 206 && answer.headers['content-range']?.startsWith(`bytes ${start}-`)) {
      return { from: start, body: answer.read() }
    }
    answer.close()
    throw statusError(uri, answer)
  }

  return {
    downloads: true,
    list: (uri, options) => listBucket(bucket, uri, options),
    expand: (uri, { signal }) => listBucket(bucket, uri, { checksum: true, signal }),

    async open(entry, { from: start = 0, signal }) {
      const question = { uri: entry.ref, start, signal }
      const location = parseGsUri(entry.ref)
      const version = location.version ?? recordedVersion(entry)
      if (version !== undefined) {
        try {
          return await readFrom({ ...location, version }, question)
        } catch (error) {
          if (!isArtifactError(error, 'REFERENCE_NOT_FOUND')) throw error
        }
      }
      return readFrom(await locateRecorded(bucket, entry, signal), question)
    },

    check: (entry, { signal }) => checkBucket(bucket, entry, signal),
  }
}

/** What an answer tells of an object; numbers may be texts. */
interface Metadata {
  size?: string | number
  md5Hash?: string
  crc32c?: string
  generation?: string | number
}

function toObject(location: BucketLocation, metadata: Metadata): BucketObject {
  const { md5Hash, crc32c, size = 0, generation } = metadata
  const versionID = String(generation)
  const ref = formatGsUri(location, versionID, location.version !== undefined)
  // Objects that were composed of others have no MD5.
  const digest = md5Hash
    ? `md5:${Buffer.from(md5Hash, 'base64').toString('hex')}`
    : `crc32c:${crc32c}`
  return { key: location.key, ref, digest, size: Number(size), extra: { versionID } }
}

interface Connection {
  storage: Storage
  /** Headers that say who asks. */
  authorize(): Promise<Record<string, string>>
}

async function connect({ Storage }: Sdk): Promise<Connection> {
  const anonymous = async () => ({})
  const host = process.env.STORAGE_EMULATOR_HOST
  if (host) {
    const origin = (host.includes('://') ? host : `http://${host}`).replace(
      /(\/storage\/v1)?\/?$/,
      '',
    )
    const storage = new Storage({ projectId: 'none', apiEndpoint: origin })
    // This client takes the variable for the whole address of the API, others for the host alone.
    storage.baseUrl = `${origin}/storage/v1`
    return { storage, authorize: anonymous }
  }
  const storage = new Storage()
  try {
    const client = await storage.authClient.getClient()
    return {
      storage,
      authorize: async () => Object.fromEntries(new Headers(await client.getRequestHeaders())),
    }
  } catch {
    const open = new Storage({ projectId: 'none', apiEndpoint: PUBLIC_ENDPOINT })
    return { storage: open, authorize: anonymous }
  }
}

function statusOf(error: unknown): number | undefined {
  const { code, response } = error as { code?: unknown; response?: { statusCode?: number } }
  return typeof code === 'number' ? code : response?.statusCode
}

function gsError(error: unknown, uri: string): ArtifactError {
  if (error instanceof ArtifactError) return error
  return referenceError(uri, statusOf(error), (error as Error).message)
}
