import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { listPages } from '../catalog/list-pages.js'
import { ArtifactError } from '../errors.js'
import { checkAborted } from '../store/progress.js'
import {
  type BucketClient,
  type BucketLocation,
  type BucketObject,
  type BucketQuestion,
  checkBucket,
  listBucket,
  recordedVersion,
  toPage,
} from './bucket.js'
import { loadSdk } from './load-sdk.js'
import { invalidUri } from './parse-uri.js'
import { referenceChanged, referenceError } from './reference-error.js'
import type { OpenedReference, ReferenceEntry, ReferenceHandler } from './reference-handler.js'

type Sdk = typeof import('@aws-sdk/client-s3')

/** The most that S3 lists in one answer. */
const PAGE_KEYS = 1000
const CONNECT_MS = 10_000
/** How long not a byte may arrive; by itself the client would wait for ever. */
const IDLE_MS = 60_000

/**
 * `s3://BUCKET/KEY[?versionId=ID]`. The key is taken as it is, not decoded; a `?` that no
 * `versionId=` follows is part of it.
 * @throws `INVALID_URI`.
 */
export function parseS3Uri(uri: string): BucketLocation {
  const [, bucket, rest = ''] = /^s3:\/\/([A-Za-z0-9][A-Za-z0-9._-]{1,254})(?:\/(.*))?$/i.exec(
    uri,
  ) ?? [undefined, undefined]
  if (bucket === undefined) throw invalidUri(uri, 'write s3://BUCKET/KEY')
  const [, key, version] = /^(.*)\?versionId=([^?]+)$/.exec(rest) ?? [undefined, rest, undefined]
  return { bucket, key: key!, ...(version !== undefined && { version }) }
}

export function formatS3Uri({ bucket, key, version }: BucketLocation): string {
  const uri = `s3://${bucket}/${key}`
  if (version !== undefined) return `${uri}?versionId=${version}`
  // "null" is the version of an object in a bucket that keeps none.
  return /\?versionId=[^?]+$/.test(key) ? `${uri}?versionId=null` : uri
}

/**
 * `s3:`, through `@aws-sdk/client-s3`, with credentials, region and endpoint as that finds them.
 * Without credentials requests are not signed, which public buckets take; without a region it is
 * `AWS_DEFAULT_REGION`, else us-east-1, from where AWS leads to the region of a bucket.
 * @throws `PACKAGE_MISSING`.
 */
export async function createS3Handler(): Promise<ReferenceHandler> {
  const sdk = await loadSdk('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'))
  const { client, anonymous } = await createClient(sdk)

  const fail = (error: unknown, uri: string, signal?: AbortSignal): ArtifactError => {
    checkAborted(signal)
    return s3Error(error, uri, anonymous)
  }

  async function find(
    { bucket, key, version }: BucketLocation,
    { uri, signal }: BucketQuestion,
  ): Promise<BucketObject | undefined> {
    try {
      const command = new sdk.HeadObjectCommand({ Bucket: bucket, Key: key, VersionId: version })
      const head = await client.send(command, { abortSignal: signal })
      const isFolder = head.ContentLength === 0 && head.ContentType?.startsWith('application/x-dir')
      const known = { ETag: head.ETag, Size: head.ContentLength, VersionId: head.VersionId }
      return { ...toObject({ bucket, key, version }, known), isFolder }
    } catch (error) {
      const { status } = describe(error)
      // 405: the version is a delete marker.
      if (status === 404 || status === 405) return undefined
      throw fail(error, uri, signal)
    }
  }

  async function* listPrefix(
    { bucket, key: prefix }: BucketLocation,
    { uri, signal }: BucketQuestion,
  ): AsyncGenerator<BucketObject[]> {
    const options = { abortSignal: signal }
    const request = { Bucket: bucket, Prefix: prefix, MaxKeys: PAGE_KEYS }
    const listObjects = async (after?: string) => {
      const command = new sdk.ListObjectsV2Command({ ...request, ContinuationToken: after })
      const page = await client.send(command, options)
      const more = page.IsTruncated === true
      return toPage(page.Contents ?? [], { uri, after, next: page.NextContinuationToken, more })
    }
    const listVersions = async (after?: string) => {
      const [KeyMarker, VersionIdMarker] = after === undefined ? [] : JSON.parse(after)
      const command = new sdk.ListObjectVersionsCommand({ ...request, KeyMarker, VersionIdMarker })
      const page = await client.send(command, options)
      const marker = page.NextKeyMarker
      const next = marker && JSON.stringify([marker, page.NextVersionIdMarker])
      const latest = (page.Versions ?? []).filter(({ IsLatest }) => IsLatest)
      return toPage(latest, { uri, after, next, more: page.IsTruncated === true })
    }
    /** The first page with version ids, where the bucket keeps versions and we may list them. */
    const openVersions = async () => {
      try {
        const command = new sdk.GetBucketVersioningCommand({ Bucket: bucket })
        const { Status } = await client.send(command, options)
        return Status === undefined ? undefined : await listVersions()
      } catch (error) {
        const { status } = describe(error)
        // Public buckets and other makes of S3: ETags alone identify the objects then.
        if (status === 403 || status === 405 || status === 501) return undefined
        throw error
      }
    }
    try {
      const first = await openVersions()
      const list = first
        ? (after?: string) => (after === undefined ? Promise.resolve(first) : listVersions(after))
        : listObjects
      for await (const items of listPages<ListedObject>(list)) {
        yield items.map(object => toObject({ bucket, key: object.Key! }, object))
      }
    } catch (error) {
      throw fail(error, uri, signal)
    }
  }

  const bucket: BucketClient = { parse: parseS3Uri, find, listPrefix }

  async function get(entry: ReferenceEntry, from: number, signal?: AbortSignal) {
    const location = parseS3Uri(entry.ref)
    const version = location.version ?? recordedVersion(entry)
    const request = {
      Bucket: location.bucket,
      Key: location.key,
      ...(isVerifiable(entry) && { IfMatch: `"${entry.digest}"` }),
      ...(from > 0 && { Range: `bytes=${from}-` }),
    }
    const send = (VersionId?: string) =>
      client.send(new sdk.GetObjectCommand({ ...request, VersionId }), { abortSignal: signal })
    if (version === undefined) return send()
    try {
      return await send(version)
    } catch (error) {
      const { status } = describe(error)
      // The version is gone; the object may have the same bytes under another.
      if (!isVerifiable(entry) || location.version !== undefined || status !== 404) throw error
      return send()
    }
  }

  return {
    downloads: true,
    list: (uri, options) => listBucket(bucket, uri, options),
    expand: (uri, { signal }) => listBucket(bucket, uri, { checksum: true, signal }),

    async open(entry, { from = 0, signal }): Promise<OpenedReference> {
      try {
        const answer = await get(entry, from, signal)
        const isPart = answer.ContentRange?.startsWith(`bytes ${from}-`)
        const body = read(answer, error => fail(error, entry.ref, signal))
        return { from: isPart ? from : 0, body }
      } catch (error) {
        throw fail(error, entry.ref, signal)
      }
    },

    check: (entry, { signal }) => checkBucket(bucket, entry, signal),
  }
}

function isVerifiable({ ref, digest }: ReferenceEntry): boolean {
  return digest !== ref
}

interface ListedObject {
  Key?: string
  ETag?: string
  Size?: number
  VersionId?: string
}

function toObject(
  location: BucketLocation,
  { ETag = '', Size = 0, VersionId }: ListedObject,
): BucketObject {
  const etag = ETag.replaceAll('"', '')
  const ref = formatS3Uri(location)
  const versionID = VersionId === 'null' ? undefined : VersionId
  const extra = { ...(etag !== '' && { etag }), ...(versionID !== undefined && { versionID }) }
  return { key: location.key, ref, digest: etag || ref, size: Size, extra }
}

async function* read(
  { Body }: GetObjectCommandOutput,
  fail: (error: unknown) => ArtifactError,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* Body as AsyncIterable<Uint8Array>
  } catch (error) {
    throw fail(error)
  } finally {
    ;(Body as { destroy?(): void } | undefined)?.destroy?.()
  }
}

async function createClient(sdk: Sdk): Promise<{ client: S3Client; anonymous?: string }> {
  // Hosts other than AWS's often have no name for each bucket.
  const hasEndpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL
  const common = {
    followRegionRedirects: true,
    forcePathStyle: Boolean(hasEndpoint),
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: IDLE_MS },
  }
  const found = new sdk.S3Client(common)
  const region = await found.config.region().catch(() => undefined)
  const missing = await found.config.credentials().then(
    () => undefined,
    (error: Error) => error.message,
  )
  if (region !== undefined && missing === undefined) return { client: found }
  found.destroy()
  const client = new sdk.S3Client({
    ...common,
    region: region ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
    ...(missing !== undefined && {
      credentials: { accessKeyId: '', secretAccessKey: '' },
      signer: { sign: async request => request },
    }),
  })
  return { client, ...(missing !== undefined && { anonymous: missing }) }
}

function describe(error: unknown): { status?: number; name: string; message: string } {
  const { $metadata, name, message } = error as Error & { $metadata?: { httpStatusCode?: number } }
  return { status: $metadata?.httpStatusCode, name, message }
}

/** Errors about credentials that S3 gives the status 400. */
const CREDENTIALS = new Set(['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired'])

function s3Error(error: unknown, uri: string, anonymous: string | undefined): ArtifactError {
  if (error instanceof ArtifactError) return error
  const { status, name, message } = describe(error)
  if (status === 412) return referenceChanged(uri, 'its ETag is another')
  const denied = status === 401 || status === 403 || CREDENTIALS.has(name)
  const unsigned =
    denied && anonymous !== undefined ? `; asked without credentials: ${anonymous}` : ''
  return referenceError(uri, denied ? 403 : status, `${name}: ${message}${unsigned}`)
}
