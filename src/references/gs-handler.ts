import type { Storage } from '@google-cloud/storage'
import { ArtifactError, isArtifactError } from '../errors.js'
import { checkAborted } from '../store/progress.js'
import { type BucketObject, listBucket, unidentifiedObject } from './bucket.js'
import { sendHttp } from './http-request.js'
import { loadSdk } from './load-sdk.js'
import { invalidUri } from './parse-uri.js'
import { referenceChanged, referenceError, referenceNotFound } from './reference-error.js'
import type { OpenedReference, ReferenceEntry, ReferenceHandler } from './reference-handler.js'

type Sdk = typeof import('@google-cloud/storage')

/** Objects, as this client gives them where `fields` are asked for, and the next query. */
type Page = [(Metadata & { name: string })[], object | null]

/** The most that GCS lists in one answer. */
const PAGE_OBJECTS = 1000
const FIELDS = 'name,size,md5Hash,crc32c,generation'

// The slash at the end tells it from the default, for which the client wants credentials.
const PUBLIC_ENDPOINT = 'https://storage.googleapis.com/'

export interface GsLocation {
  bucket: string
  key: string
  generation?: string
}

/**
 * `gs://BUCKET/KEY[#GENERATION]`. The key is taken as it is, not decoded; a `#` that is not
 * followed by digits to the end is part of it.
 * @throws `INVALID_URI`.
 */
export function parseGsUri(uri: string): GsLocation {
  const [, bucket, rest = ''] = /^gs:\/\/([a-z0-9][a-z0-9._-]{1,221})(?:\/(.*))?$/i.exec(uri) ?? [
    undefined,
    undefined,
  ]
  if (bucket === undefined) throw invalidUri(uri, 'write gs://BUCKET/KEY')
  const [, key, generation] = /^(.*)#(\d+)$/.exec(rest) ?? [undefined, rest, undefined]
  return { bucket, key: key!, ...(generation !== undefined && { generation }) }
}

export function formatGsUri({ bucket, key }: GsLocation, generation: string, pinned = false) {
  const uri = `gs://${bucket}/${key}`
  return pinned || /#\d+$/.test(key) ? `${uri}#${generation}` : uri
}

/**
 * `gs:`, through `@google-cloud/storage`, with credentials and endpoint as that finds them. Without
 * credentials requests carry none, which public buckets take.
 * @throws `REFERENCE_SDK_MISSING`.
 */
export async function createGsHandler(): Promise<ReferenceHandler> {
  const sdk = await loadSdk('@google-cloud/storage', () => import('@google-cloud/storage'))
  const { storage, authorize } = await connect(sdk)

  async function find(
    location: GsLocation,
    { uri, signal }: { uri: string; signal?: AbortSignal },
  ): Promise<BucketObject | undefined> {
    checkAborted(signal)
    const { bucket, key, generation } = location
    try {
      const file = storage.bucket(bucket).file(key, { generation })
      const [metadata] = await file.getMetadata()
      return toObject(location, metadata)
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw gsError(error, uri)
    }
  }

  async function* listPrefix(
    { bucket, key: prefix }: GsLocation,
    { uri, signal }: { uri: string; signal?: AbortSignal },
  ): AsyncGenerator<BucketObject> {
    let query: object | null = {
      prefix,
      maxResults: PAGE_OBJECTS,
      autoPaginate: false,
      fields: `items(${FIELDS}),nextPageToken`,
    }
    while (query) {
      checkAborted(signal)
      let objects: Page[0]
      try {
        ;[objects, query] = (await storage.bucket(bucket).getFiles(query)) as unknown as Page
      } catch (error) {
        throw gsError(error, uri)
      }
      for (const object of objects) yield toObject({ bucket, key: object.name }, object)
    }
  }

  /**
   * Where the recorded bytes are now: under their generation or, when that is gone, under another
   * that has the same digest.
   */
  async function locate(entry: ReferenceEntry, signal?: AbortSignal): Promise<GsLocation> {
    const { ref, extra, digest } = entry
    const location = parseGsUri(ref)
    const context = { uri: ref, signal }
    const generation = extra?.versionID ?? location.generation
    const recorded = await find({ ...location, generation }, context)
    if (recorded && (recorded.digest === digest || digest === ref)) {
      return { ...location, generation: recorded.extra!.versionID }
    }
    if (recorded) throw referenceChanged(ref, `its digest is ${recorded.digest}`)
    const current =
      generation === undefined ? undefined : await find(dropGeneration(location), context)
    if (!current) throw referenceNotFound(ref, 'no such object')
    if (current.digest !== digest || location.generation !== undefined) {
      throw referenceChanged(ref, `the generation ${generation} is gone`)
    }
    return { ...location, generation: current.extra!.versionID }
  }

  /**
   * The bytes as they are stored: digest and size are of those, whatever their content encoding.
   * Not through the client, whose stream of a body that is cut never ends.
   */
  async function readFrom(
    { bucket, key, generation }: GsLocation,
    { uri, start, signal }: { uri: string; start: number; signal?: AbortSignal },
  ): Promise<OpenedReference> {
    const url = new URL(`${storage.baseUrl}/b/${bucket}/o/${encodeURIComponent(key)}?alt=media`)
    if (generation !== undefined) url.searchParams.set('generation', generation)
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
    throw referenceError(uri, answer.status, `it answers with status ${answer.status}`)
  }

  return {
    downloads: true,
    async *list(uri, { checksum, signal }) {
      const location = parseGsUri(uri)
      if (!checksum) {
        yield unidentifiedObject(uri, location.key || location.bucket)
        return
      }
      const context = { uri, signal }
      yield* listBucket({
        uri,
        key: location.key,
        find: async key => {
          const object = await find({ ...location, key }, context)
          if (!object && location.generation !== undefined) {
            throw referenceNotFound(uri, 'no such generation')
          }
          return object
        },
        listPrefix: prefix => listPrefix({ ...location, key: prefix }, context),
      })
    },

    async open(entry, { from: start = 0, signal }) {
      const context = { uri: entry.ref, start, signal }
      const location = parseGsUri(entry.ref)
      const generation = entry.extra?.versionID ?? location.generation
      if (generation !== undefined) {
        try {
          return await readFrom({ ...location, generation }, context)
        } catch (error) {
          if (!isArtifactError(error, 'REFERENCE_NOT_FOUND')) throw error
        }
      }
      return readFrom(await locate(entry, signal), context)
    },

    async check(entry, { signal }) {
      await locate(entry, signal)
    },
  }
}

function dropGeneration({ bucket, key }: GsLocation): GsLocation {
  return { bucket, key }
}

/** What an answer tells of an object; numbers may be texts. */
interface Metadata {
  size?: string | number
  md5Hash?: string
  crc32c?: string
  generation?: string | number
}

function toObject(location: GsLocation, metadata: Metadata): BucketObject {
  const { md5Hash, crc32c, size = 0, generation } = metadata
  const versionID = String(generation)
  const ref = formatGsUri(location, versionID, location.generation !== undefined)
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
