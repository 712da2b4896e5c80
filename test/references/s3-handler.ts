import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import t from 'tap'
import {
  codeOf,
  listReferences,
  readReference,
  toEntry,
} from '../../fixtures/references/list-references.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { lacksServer, s3Environment, startS3Server } from '../../fixtures/references/test-server.js'
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

t.test('with a server', { skip: lacksServer('versitygw') }, async t => {
  const server = await startS3Server(t)
  const proxy = await startProxy(t, server)
  Object.assign(process.env, s3Environment(proxy.url))
  const s3 = new S3Client({ endpoint: server, forcePathStyle: true })
  const handler = await createS3Handler()
  const make = (Bucket: string) => s3.send(new CreateBucketCommand({ Bucket }))
  const put = (Bucket: string, Key: string, Body: string | Buffer = `bytes of ${Key}`) =>
    s3.send(new PutObjectCommand({ Bucket, Key, Body }))
  const keepVersions = (Bucket: string) =>
    s3.send(
      new PutBucketVersioningCommand({
        Bucket,
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    )
  const paths = async (uri: string) => (await listReferences(handler, uri)).map(({ path }) => path)

  await t.test('objects and prefixes', async t => {
    await make('plain')
    for (const key of ['data/a', 'data/sub/b', 'data2/c', 'data.txt']) {
      await put('plain', key)
    }
    await put('plain', 'data/', '')
    await put('plain', 'data/empty', '')
    t.same(await paths('s3://plain/data.txt'), ['data.txt'])
    t.same(await paths('s3://plain/data'), ['a', 'empty', 'sub/b'], 'data2 is another folder')
    t.same(await paths('s3://plain/data/'), ['a', 'empty', 'sub/b'])
    t.same(await paths('s3://plain/data/sub'), ['b'])
    t.equal((await paths('s3://plain')).length, 5)
    t.equal(await codeOf(paths('s3://plain/nothing')), 'REFERENCE_NOT_FOUND')
    t.equal(await codeOf(paths('s3://nobucket/a')), 'REFERENCE_NOT_FOUND')

    const [found] = await listReferences(handler, 's3://plain/data.txt')
    t.match(found, { single: true, ref: 's3://plain/data.txt', size: 17 })
    t.match(found!.digest, /^[0-9a-f]{32}$/)
    t.same(found!.extra, { etag: found!.digest })
    t.same(await readReference(handler, found!), { from: 0, text: 'bytes of data.txt' })
    t.same(await readReference(handler, found!, { from: 9 }), { from: 9, text: 'data.txt' })
  })

  await t.test('a changed object is told, and a deleted one', async t => {
    await make('changing')
    await put('changing', 'k', 'one')
    const [found] = await listReferences(handler, 's3://changing/k')
    await handler.check(toEntry(found!), {})
    await put('changing', 'k', 'two')
    t.equal(await codeOf(readReference(handler, found!)), 'REFERENCE_CHANGED')
    t.equal(await codeOf(handler.check(toEntry(found!), {})), 'REFERENCE_CHANGED')
    await s3.send(new DeleteObjectCommand({ Bucket: 'changing', Key: 'k' }))
    t.equal(await codeOf(readReference(handler, found!)), 'REFERENCE_NOT_FOUND')
    t.equal(await codeOf(handler.check(toEntry(found!), {})), 'REFERENCE_NOT_FOUND')
  })

  await t.test('a bucket with versions keeps what was recorded', async t => {
    await make('versioned')
    await keepVersions('versioned')
    for (const body of ['old', 'middle']) {
      for (const key of ['d/a', 'd/b', 'd/gone']) await put('versioned', key, `${body} ${key}`)
    }
    await s3.send(new DeleteObjectCommand({ Bucket: 'versioned', Key: 'd/gone' }))
    const [single] = await listReferences(handler, 's3://versioned/d/a')
    const all = await listReferences(handler, 's3://versioned/d')
    t.same(
      all.map(({ path }) => path),
      ['a', 'b'],
      'the latest, without deleted ones',
    )
    t.same(toEntry(single!), { ...toEntry(all[0]!), path: 'a' })
    t.type(single!.extra?.versionID, 'string')
    t.notOk(single!.ref.includes('versionId'))

    await put('versioned', 'd/a', 'new d/a')
    await s3.send(new DeleteObjectCommand({ Bucket: 'versioned', Key: 'd/b' }))
    t.equal((await readReference(handler, all[0]!)).text, 'middle d/a')
    t.equal((await readReference(handler, all[1]!)).text, 'middle d/b')
    await handler.check(toEntry(all[1]!), {})

    const pinned = `s3://versioned/d/a?versionId=${single!.extra?.versionID}`
    const [old] = await listReferences(handler, pinned)
    t.match(old, { path: 'a', ref: pinned, digest: single!.digest })
    t.equal((await readReference(handler, old!)).text, 'middle d/a')
    const unchecked = await listReferences(handler, pinned, { checksum: false })
    t.equal((await readReference(handler, unchecked[0]!)).text, 'middle d/a')
  })

  await t.test('a version that is gone is looked for by its ETag', async t => {
    await make('moved')
    await keepVersions('moved')
    const { VersionId } = await put('moved', 'k', 'same')
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

  await t.test('2,500 objects come in three listings, and none is asked about', async t => {
    await make('many')
    const limit = pLimit(16)
    const keys = Array.from({ length: 2500 }, (_, index) => `p/${String(index).padStart(4, '0')}`)
    await Promise.all(keys.map(key => limit(() => put('many', key, key))))
    proxy.requests.length = 0
    const found = await listReferences(handler, 's3://many/p')
    t.same(
      found.map(({ ref }) => ref),
      keys.map(key => `s3://many/${key}`),
    )
    t.equal(proxy.requests.filter(line => line.includes('list-type=2')).length, 3)
    t.equal(proxy.requests.length, 5, 'besides: the key itself, and whether versions are kept')

    proxy.requests.length = 0
    for await (const _ of handler.list('s3://many/p/', {
      checksum: true,
      hashFile: () => Promise.reject(),
    })) {
      break
    }
    t.equal(proxy.requests.length, 2, 'a caller that stops asks for no more pages')
  })

  await t.test('a bucket that changes while it is listed gives no object twice', async t => {
    const seen: string[] = []
    for await (const { path } of handler.list('s3://many/p', {
      checksum: true,
      hashFile: () => Promise.reject(),
    })) {
      if (seen.push(path) === 1000) {
        await put('many', 'p/0000a', 'before the page')
        await put('many', 'p/1200a', 'behind it')
        await s3.send(new DeleteObjectCommand({ Bucket: 'many', Key: 'p/0999' }))
        await s3.send(new DeleteObjectCommand({ Bucket: 'many', Key: 'p/1300' }))
      }
    }
    t.equal(new Set(seen).size, seen.length)
    t.ok(seen.includes('1200a'))
    t.notOk(seen.includes('1300'))
    t.equal(seen.length, 2500, 'one more, one less')
  })

  await t.test('odd keys', async t => {
    await make('odd')
    const keys = [
      'sp ace',
      'h#ash',
      'q?uery',
      'per%20cent',
      'p+lus',
      'ümläut-日本',
      'a&b=c;d,e@f:g',
    ]
    for (const key of keys) await put('odd', `k/${key}`)
    t.same((await paths('s3://odd/k')).sort(), [...keys].sort())
    for (const key of keys) {
      const [found] = await listReferences(handler, `s3://odd/k/${key}`)
      t.equal(found!.path, key)
      t.equal((await readReference(handler, found!)).text, `bytes of k/${key}`)
    }
  })

  await t.test('without checksum nothing is asked, and it can be downloaded', async t => {
    proxy.requests.length = 0
    const [found] = await listReferences(handler, 's3://plain/data.txt', { checksum: false })
    t.equal(proxy.requests.length, 0)
    t.match(found, { path: 'data.txt', digest: 's3://plain/data.txt', size: 0 })
    t.same(found!.extra, { unverifiable: true, sizeUnknown: true })
    t.equal((await readReference(handler, found!)).text, 'bytes of data.txt')
    await handler.check(toEntry(found!), {})
  })

  await t.test('a wrong secret and a server that fails have codes', async t => {
    t.equal(
      await codeOf(
        (async () => {
          process.env.AWS_SECRET_ACCESS_KEY = 'wrong'
          const wrong = await createS3Handler()
          Object.assign(process.env, s3Environment(proxy.url))
          await listReferences(wrong, 's3://plain/data.txt')
        })(),
      ),
      'REFERENCE_DENIED',
    )
    proxy.intercept = (_, response) => {
      response.writeHead(503).end()
      return true
    }
    t.equal(await codeOf(paths('s3://plain/data.txt')), 'REFERENCE_FAILED')
    proxy.intercept = () => false
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
