import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import t from 'tap'
import { testBuckets } from '../../fixtures/conformance/buckets.js'
import {
  codeOf,
  listReferences,
  readReference,
  toEntry,
} from '../../fixtures/references/list-references.js'
import { S3_BUCKETS } from '../../fixtures/references/start-buckets.js'
import { s3Environment } from '../../fixtures/references/test-server.js'
import { fetchReference } from '../../src/references/fetch-reference.js'
import { openFileSink } from '../../src/references/reference-sink.js'
import { createS3Handler, formatS3Uri, parseS3Uri } from '../../src/references/s3-handler.js'

t.test('a URI holds bucket, key and version, and keys are taken as they are', t => {
  const rows = [
    { uri: 's3://bucket/a/b.txt', location: { bucket: 'bucket', key: 'a/b.txt' } },
    { uri: 's3://bucket', location: { bucket: 'bucket', key: '' }, again: 's3://bucket/' },
    { uri: 's3://bucket/', location: { bucket: 'bucket', key: '' } },
    { uri: 's3://bucket/a%20b#c?d+e', location: { bucket: 'bucket', key: 'a%20b#c?d+e' } },
    { uri: 's3://bucket/k?versionId=7', location: { bucket: 'bucket', key: 'k', version: '7' } },
    { uri: 's3://bucket//k', location: { bucket: 'bucket', key: '/k' } },
  ]
  for (const { uri, location, again = uri } of rows) {
    t.same(parseS3Uri(uri), location, uri)
    t.equal(formatS3Uri(location), again)
  }
  const odd = { bucket: 'bucket', key: 'k?versionId=7' }
  t.match(parseS3Uri(formatS3Uri(odd)), odd, 'a key that looks like one with a version')
  t.throws(() => parseS3Uri('s3:///key'), { code: 'INVALID_URI' })
  t.throws(() => parseS3Uri('s3://b%2F/key'), { code: 'INVALID_URI' })
  t.end()
})

t.test('a token that expired, and a request that took too long, have one status', async t => {
  let code = ''
  const server = createServer((_, response) => {
    const xml = `<Error><Code>${code}</Code><Message>why</Message></Error>`
    response.writeHead(400, { 'content-type': 'application/xml' }).end(xml)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const before = { ...process.env }
  Object.assign(process.env, s3Environment(`http://127.0.0.1:${port}`))
  t.teardown(() => {
    process.env = before
  })
  const handler = await createS3Handler()
  for (const [given, expected] of [
    ['ExpiredToken', 'REFERENCE_DENIED'],
    ['RequestTimeout', 'REFERENCE_FAILED'],
  ] as const) {
    code = given
    const listing = listReferences(handler, 's3://plain/folder/')
    await t.rejects(listing, { code: expected, message: `${given}: why` })
  }
})

t.test('with a server', { skip: S3_BUCKETS.skip }, async t => {
  const buckets = await S3_BUCKETS.start(t)
  const { proxy, make, put } = buckets
  const handler = await createS3Handler()
  const paths = async (uri: string) => (await listReferences(handler, uri)).map(({ path }) => path)
  const s3 = new S3Client({})
  const page = (rest: string) => `<ListBucketResult>
    <IsTruncated>true</IsTruncated><Contents><Key>data/a</Key><Size>1</Size></Contents>${rest}
  </ListBucketResult>`
  const brokenPages = [page(''), page('<NextContinuationToken>again</NextContinuationToken>')]
  await testBuckets(t, S3_BUCKETS, { handler, buckets, brokenPages })

  await t.test('what is recorded of an object', async t => {
    const [found] = await listReferences(handler, 's3://plain/data.txt')
    t.match(found!.digest, /^[0-9a-f]{32}$/)
    t.same(found!.extra, { etag: found!.digest })
  })

  await t.test('a listing of versions that does not say where it goes on', async t => {
    proxy.intercept = (request, response) => {
      if (!/[?&]versions/.test(request.url!)) return false
      response.end('<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>')
      return true
    }
    t.equal(await codeOf(paths('s3://versioned/d')), 'REFERENCE_FAILED')
    proxy.intercept = () => false
  })

  await t.test('a version that is gone is looked for by its ETag', async t => {
    await make('moved', { versions: true })
    const same = { Bucket: 'moved', Key: 'k', Body: 'same' }
    const { VersionId } = await s3.send(new PutObjectCommand(same))
    const [found] = await listReferences(handler, 's3://moved/k')
    await put('moved', 'k', 'same')
    await s3.send(new DeleteObjectCommand({ Bucket: 'moved', Key: 'k', VersionId }))
    t.equal((await readReference(handler, found!)).text, 'same')
    await handler.check(toEntry(found!), {})
    t.equal(await codeOf(paths(`s3://moved/k?versionId=${VersionId}`)), 'REFERENCE_NOT_FOUND')
    await put('moved', 'k', 'other')
    t.equal(await codeOf(readReference(handler, found!)), 'REFERENCE_CHANGED')
  })

  await t.test('an object in parts has an ETag of its own kind', async t => {
    await make('parts')
    const target = { Bucket: 'parts', Key: 'big' }
    const bytes = Buffer.alloc(6 * 1024 * 1024, 'x')
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(target))
    const Parts = []
    for (const [index, Body] of [bytes.subarray(0, 5 << 20), bytes.subarray(5 << 20)].entries()) {
      const part = { ...target, UploadId, PartNumber: index + 1, Body }
      const { ETag } = await s3.send(new UploadPartCommand(part))
      Parts.push({ ETag, PartNumber: index + 1 })
    }
    await s3.send(
      new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }),
    )
    const [found] = await listReferences(handler, 's3://parts/big')
    t.match(found!.digest, /^[0-9a-f]{32}-2$/)
    t.equal(found!.size, bytes.length)
    t.equal((await readReference(handler, found!)).text, bytes.toString())
  })

  await t.test('a download that is cut goes on where it was', async t => {
    const [found] = await listReferences(handler, 's3://parts/big')
    const file = join(t.testdir(), 'big')
    proxy.requests.length = 0
    proxy.cuts = [1_000_000, 2_000_000]
    await fetchReference(handler, toEntry(found!), { sink: await openFileSink(file), pauseMs: 1 })
    t.ok(readFileSync(file).equals(Buffer.alloc(6 * 1024 * 1024, 'x')))
    t.equal(proxy.requests.length, 3)
    proxy.cuts = [1_000_000]
    const changing = fetchReference(
      {
        ...handler,
        open: async (entry, options) => {
          if (options.from) await put('parts', 'big', 'changed')
          return handler.open(entry, options)
        },
      },
      toEntry(found!),
      { sink: await openFileSink(`${file}2`), pauseMs: 1 },
    )
    t.equal(await codeOf(changing), 'REFERENCE_CHANGED', 'two objects are not mixed')
  })

  await t.test('a wrong secret', async t => {
    process.env.AWS_SECRET_ACCESS_KEY = 'wrong'
    const wrong = await createS3Handler()
    Object.assign(process.env, s3Environment(proxy.url))
    t.equal(await codeOf(listReferences(wrong, 's3://plain/data.txt')), 'REFERENCE_DENIED')
  })

  await t.test('without credentials and region requests are not signed', async t => {
    const kept = { ...process.env }
    for (const name of Object.keys(process.env))
      if (name.startsWith('AWS_')) delete process.env[name]
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: proxy.url,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
      AWS_CONFIG_FILE: '/nonexistent',
    })
    const seen: (string | undefined)[] = []
    proxy.intercept = (request, response) => {
      seen.push(request.headers.authorization)
      response.setHeader('etag', '"abc"').setHeader('content-length', 3)
      response.end(request.method === 'HEAD' ? undefined : 'pub')
      return true
    }
    const anonymous = await createS3Handler()
    const [found] = await listReferences(anonymous, 's3://public/k')
    t.equal((await readReference(anonymous, found!)).text, 'pub')
    t.same(seen, [undefined, undefined])
    proxy.intercept = (_, response) => {
      response.writeHead(403).end()
      return true
    }
    await t.rejects(listReferences(anonymous, 's3://private/k'), {
      code: 'REFERENCE_DENIED',
      message: /without credentials/,
    })
    proxy.intercept = () => false
    for (const name of Object.keys(process.env)) delete process.env[name]
    Object.assign(process.env, kept)
  })
})
