import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { ArtifactError } from '../errors.js'
import { checkAborted } from '../store/progress.js'
import { type BucketObject, listBucket, unidentifiedObject } from './bucket.js'
import { loadSdk } from './load-sdk.js'
import { invalidUri } from './parse-uri.js'
import { referenceChanged, referenceError, referenceNotFound } from './reference-error.js'
import type { OpenedReference, ReferenceEntry, ReferenceHandler } from './reference-handler.js'

type Sdk = typeof import('@aws-sdk/client-s3')

/** The most that S3 lists in one answer. */
const PAGE_KEYS = 1000
const CONNECT_MS = 10_000
/** How long not a byte may arrive; by itself the client would wait for ever. */
const IDLE_MS = 60_000

export interface S3Location {
  bucket: string
  key: string
  versionId?: string
}

/**
 * `s3://BUCKET/KEY[?versionId=ID]`. The key is taken as it is, not decoded; a `?` that no
 * `versionId=` follows is part of it.
 * @throws `INVALID_URI`.
 */
export function parseS3Uri(uri: string): S3Location {
  const [, bucket, rest = ''] = /^s3:\/\/([A-Za-z0-9][A-Za-z0-9._-]{1,254})(?:\/(.*))?$/i.exec(
    uri,
  ) ?? [undefined, undefined]
  if (bucket === undefined) throw invalidUri(uri, 'write s3://BUCKET/KEY')
  const [, key, versionId] = /^(.*)\?versionId=([^?]+)$/.exec(rest) ?? [undefined, rest, undefined]
  return { bucket, key: key!, ...(versionId !== undefined && { versionId }) }
}

export function formatS3Uri({ bucket, key, versionId }: S3Location): string {
  const uri = `s3://${bucket}/${key}`
  if (versionId !== undefined) return `${uri}?versionId=${versionId}`
  // "null" is the version of an object in a bucket that keeps none.
  return /\?versionId=[^?]+$/.test(key) ? `${uri}?versionId=null` : uri
}

/**
 * `s3:`, through `@aws-sdk/client-s3`, with credentials, region and endpoint as that finds them.
 * Without credentials requests are not signed, which public buckets take; without a region it is
 * `AWS_DEFAULT_REGION`, else us-east-1, from where AWS leads to the region of a bucket.
 * @throws `REFERENCE_SDK_MISSING`.
 */
export async function createS3Handler(): Promise<ReferenceHandler> {
  const sdk = await loadSdk('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'))
  const { client, anonymous } = await createClient(sdk)

  const fail = (error: unknown, uri: string, signal?: AbortSignal): ArtifactError => {
    checkAborted(signal)
    return s3Error(error, uri, anonymous)
  }

  async function find(
    { bucket, key, versionId }: S3Location,
    { uri, signal }: { uri: string; signal?: AbortSignal },
  ): Promise<BucketObject | undefined> {
    try {
      const command = new sdk.HeadObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId })
      const head = await client.send(command, { abortSignal: signal })
      const isFolder = head.ContentLength === 0 && head.ContentType?.startsWith('application/x-dir')
      const known = { ETag: head.ETag, Size: head.ContentLength, VersionId: head.VersionId }
      return { ...toObject({ bucket, key, versionId }, known), isFolder }
    } catch (error) {
      const { status } = describe(error)
      // 405: the version is a delete marker.
      if (status === 404 || status === 405) return undefined
      throw fail(error, uri, signal)
    }
  }

  async function* listPrefix(
    { bucket, key: prefix }: S3Location,
    { uri, signal }: { uri: string; signal?: AbortSignal },
  ): AsyncGenerator<BucketObject> {
    const options = { abortSignal: signal }
    try {
      const versions = await openVersions(bucket, prefix, signal)
      if (versions) {
        for await (const page of versions) {
          for (const object of page.Versions ?? []) {
            if (object.IsLatest) yield toObject({ bucket, key: object.Key! }, object)
          }
        }
        return
      }
      let token: string | undefined
      do {
        const page = await client.send(
          new sdk.ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix,
            MaxKeys: PAGE_KEYS,
            ContinuationToken: token,
          }),
          options,
        )
        for (const object of page.Contents ?? []) {
          yield toObject({ bucket, key: object.Key! }, object)
        }
        token = page.IsTruncated ? page.NextContinuationToken : undefined
      } while (token !== undefined)
    } catch (error) {
      throw fail(error, uri, signal)
    }
  }

  /** Pages with version ids, where the bucket keeps versions and we may list them. */
  async function openVersions(bucket: string, prefix: string, signal?: AbortSignal) {
    const options = { abortSignal: signal }
    const list = (from: { KeyMarker?: string; VersionIdMarker?: string }) =>
      client.send(
        new sdk.ListObjectVersionsCommand({
          Bucket: bucket,
          Prefix: prefix,
          MaxKeys: PAGE_KEYS,
          ...from,
        }),
        options,
      )
    let first: Awaited<ReturnType<typeof list>>
    try {
      const command = new sdk.GetBucketVersioningCommand({ Bucket: bucket })
      const { Status } = await client.send(command, options)
      if (Status === undefined) return undefined
      first = await list({})
    } catch (error) {
      const { status } = describe(error)
      // Public buckets and other makes of S3: ETags alone identify the objects then.
      if (status === 403 || status === 405 || status === 501) return undefined
      throw error
    }
    return (async function* () {
      for (let page = first; ; ) {
        yield page
        if (!page.IsTruncated) return
        page = await list({
          KeyMarker: page.NextKeyMarker,
          VersionIdMarker: page.NextVersionIdMarker,
        })
      }
    })()
  }

  async function get(entry: ReferenceEntry, from: number, signal?: AbortSignal) {
    const location = parseS3Uri(entry.ref)
    const versionId = entry.extra?.versionID ?? location.versionId
    const request = {
      Bucket: location.bucket,
      Key: location.key,
      ...(isVerifiable(entry) && { IfMatch: `"${entry.digest}"` }),
      ...(from > 0 && { Range: `bytes=${from}-` }),
    }
    const send = (VersionId?: string) =>
      client.send(new sdk.GetObjectCommand({ ...request, VersionId }), { abortSignal: signal })
    if (versionId === undefined) return send()
    try {
      return await send(versionId)
    } catch (error) {
      const { status } = describe(error)
      // The version is gone; the object may have the same bytes under another.
      if (!isVerifiable(entry) || location.versionId !== undefined || status !== 404) throw error
      return send()
    }
  }

  return {
    downloads: true,
    async *list(uri, { checksum, signal }) {
      const location = parseS3Uri(uri)
      if (!checksum) {
        yield unidentifiedObject(uri, location.key || location.bucket)
        return
      }
      const { versionId } = location
      const context = { uri, signal }
      yield* listBucket({
        uri,
        key: location.key,
        find: async key => {
          const object = await find({ ...location, key }, context)
          if (!object && versionId !== undefined) throw referenceNotFound(uri, 'no such version')
          return object
        },
        listPrefix: prefix => listPrefix({ ...location, key: prefix }, context),
      })
    },

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

    async check(entry, { signal }) {
      const { ref, extra, digest } = entry
      const location = parseS3Uri(ref)
      const context = { uri: ref, signal }
      const versionId = location.versionId ?? extra?.versionID
      let object = await find({ ...location, versionId }, context)
      if (!object && location.versionId === undefined && versionId !== undefined) {
        object = await find(location, context)
      }
      if (!object) throw referenceNotFound(ref, 'no such object')
      if (isVerifiable(entry) && object.digest !== digest) {
        throw referenceChanged(ref, `its ETag is ${object.digest}`)
      }
    },
  }
}

function isVerifiable({ ref, digest }: ReferenceEntry): boolean {
  return digest !== ref
}

function toObject(
  location: S3Location,
  { ETag = '', Size = 0, VersionId }: { ETag?: string; Size?: number; VersionId?: string },
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

function s3Error(error: unknown, uri: string, anonymous: string | undefined): ArtifactError {
  if (error instanceof ArtifactError) return error
  const { status, name, message } = describe(error)
  if (status === 412) return referenceChanged(uri, 'its ETag is another')
  const denied = status === 401 || status === 403
  const unsigned =
    denied && anonymous !== undefined ? `; asked without credentials: ${anonymous}` : ''
  return referenceError(uri, status, `${name}: ${message}${unsigned}`)
}
