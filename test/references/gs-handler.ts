import { Storage } from '@google-cloud/storage'
import pLimit from 'p-limit'
import t from 'tap'
import {
  codeOf,
  listReferences,
  readReference,
  toEntry,
} from '../../fixtures/references/list-references.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { lacksServer, startGcsServer } from '../../fixtures/references/test-server.js'
import { createGsHandler, formatGsUri, parseGsUri } from '../../src/references/gs-handler.js'

t.test('a URI holds bucket, key and generation, and keys are taken as they are', t => {
  const rows = [
    { uri: 'gs://bucket/a/b.txt', location: { bucket: 'bucket', key: 'a/b.txt' } },
    { uri: 'gs://bucket', location: { bucket: 'bucket', key: '' } },
    { uri: 'gs://bucket/a%20b?c#d', location: { bucket: 'bucket', key: 'a%20b?c#d' } },
    { uri: 'gs://bucket/k#17', location: { bucket: 'bucket', key: 'k', version: '17' } },
  ]
  for (const { uri, location } of rows) t.same(parseGsUri(uri), location, uri)
  const odd = { bucket: 'bucket', key: 'k#17' }
  t.match(parseGsUri(formatGsUri(odd, '99')), odd, 'a key that looks like one with a generation')
  t.throws(() => parseGsUri('gs:///key'), { code: 'INVALID_URI' })
  t.end()
})

t.test('with a server', { skip: lacksServer('fake-gcs-server') }, async t => {
  const server = await startGcsServer(t)
  const proxy = await startProxy(t, server)
  const storage = new Storage({ projectId: 'lab', apiEndpoint: server })
  process.env.STORAGE_EMULATOR_HOST = proxy.url
  const handler = await createGsHandler()
  const make = (name: string, versions = false) =>
    storage.createBucket(name, versions ? { versioning: { enabled: true } } : {})
  const put = async (bucket: string, key: string, body: string | Buffer = `bytes of ${key}`) => {
    const file = storage.bucket(bucket).file(key)
    await file.save(body, { resumable: false })
    return file
  }
  const paths = async (uri: string) => (await listReferences(handler, uri)).map(({ path }) => path)

  await t.test('objects and prefixes', async t => {
    await make('plain')
    for (const key of ['data/a', 'data/sub/b', 'data2/c', 'data.txt', 'both', 'both/d']) {
      await put('plain', key)
    }
    await put('plain', 'data/', '')
    await put('plain', 'data/empty', '')
    t.same(await paths('gs://plain/data.txt'), ['data.txt'])
    t.same(await paths('gs://plain/data'), ['a', 'empty', 'sub/b'], 'data2 is another folder')
    t.same(await paths('gs://plain/data/'), ['a', 'empty', 'sub/b'])
    t.same(await paths('gs://plain/both'), ['both'], 'the object')
    t.same(await paths('gs://plain/both/'), ['d'], 'the prefix')
    t.equal((await paths('gs://plain')).length, 7)
    t.equal(await codeOf(paths('gs://plain/nothing')), 'REFERENCE_NOT_FOUND')
    t.equal(await codeOf(paths('gs://nobucket/a')), 'REFERENCE_NOT_FOUND')

    const [found] = await listReferences(handler, 'gs://plain/data.txt')
    t.match(found, { single: true, ref: 'gs://plain/data.txt', size: 17 })
    t.match(found!.digest, /^md5:[0-9a-f]{32}$/)
    t.match(found!.extra, { versionID: /^\d+$/ })
    t.same(await readReference(handler, found!), { from: 0, text: 'bytes of data.txt' })
    t.same(await readReference(handler, found!, { from: 9 }), { from: 9, text: 'data.txt' })
  })

  await t.test('a changed object is told, and a deleted one', async t => {
    await make('changing')
    const file = await put('changing', 'k', 'one')
    const [found] = await listReferences(handler, 'gs://changing/k')
    await handler.check(toEntry(found!), {})
    await put('changing', 'k', 'two')
    t.equal(await codeOf(readReference(handler, found!)), 'REFERENCE_CHANGED')
    t.equal(await codeOf(handler.check(toEntry(found!), {})), 'REFERENCE_CHANGED')
    await put('changing', 'k', 'one')
    t.equal((await readReference(handler, found!)).text, 'one', 'the same bytes are back')
    await handler.check(toEntry(found!), {})
    await file.delete()
    t.equal(await codeOf(readReference(handler, found!)), 'REFERENCE_NOT_FOUND')
    t.equal(await codeOf(handler.check(toEntry(found!), {})), 'REFERENCE_NOT_FOUND')
  })

  await t.test('a bucket with versions keeps what was recorded', async t => {
    await make('versioned', true)
    await put('versioned', 'd/a', 'old')
    const [single] = await listReferences(handler, 'gs://versioned/d/a')
    const [listed] = await listReferences(handler, 'gs://versioned/d')
    t.same(toEntry(single!), toEntry(listed!))
    await put('versioned', 'd/a', 'new')
    t.same(await paths('gs://versioned/d'), ['a'])
    t.equal((await readReference(handler, listed!)).text, 'old')
    await handler.check(toEntry(listed!), {})

    const pinned = `gs://versioned/d/a#${single!.extra?.versionID}`
    const [old] = await listReferences(handler, pinned)
    t.match(old, { path: 'a', ref: pinned, digest: single!.digest })
    t.equal((await readReference(handler, old!)).text, 'old')
    t.equal(await codeOf(paths('gs://versioned/d/a#1')), 'REFERENCE_NOT_FOUND')
  })

  await t.test('an object that was composed has a CRC-32C', async t => {
    await make('composed')
    const parts = [await put('composed', 'a', 'one '), await put('composed', 'b', 'two')]
    await storage.bucket('composed').combine(parts, storage.bucket('composed').file('whole'))
    // This server gives a composed object an MD5 all the same; the real one does not.
    proxy.intercept = (request, response) => {
      if (!request.url?.includes('/b/composed/o/whole') || request.url.includes('alt=media')) {
        return false
      }
      const metadata = { name: 'whole', size: '7', crc32c: 'AAAAAA==', generation: '5' }
      response.setHeader('content-type', 'application/json').end(JSON.stringify(metadata))
      return true
    }
    const [found] = await listReferences(handler, 'gs://composed/whole')
    proxy.intercept = () => false
    t.match(found, { digest: 'crc32c:AAAAAA==', size: 7 })
  })

  await t.test('2,500 objects come in three listings, and none is asked about', async t => {
    await make('many')
    const limit = pLimit(16)
    const keys = Array.from({ length: 2500 }, (_, index) => `p/${String(index).padStart(4, '0')}`)
    await Promise.all(keys.map(key => limit(() => put('many', key, key))))
    proxy.requests.length = 0
    const found = await listReferences(handler, 'gs://many/p')
    t.same(
      found.map(({ ref }) => ref),
      keys.map(key => `gs://many/${key}`),
    )
    t.equal(proxy.requests.length, 4, 'besides the listings: the key itself')
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
    t.same((await paths('gs://odd/k')).sort(), [...keys].sort())
    for (const key of keys) {
      const [found] = await listReferences(handler, `gs://odd/k/${key}`)
      t.equal(found!.path, key)
      t.equal((await readReference(handler, found!)).text, `bytes of k/${key}`)
    }
  })

  await t.test('keys that are no paths are given as they are', async t => {
    await make('evil')
    for (const key of ['p/../../x', 'p//etc/x', 'p/a//b', 'p/a\\..\\b']) await put('evil', key)
    t.same((await paths('gs://evil/p')).sort(), ['../../x', '/etc/x', 'a//b', 'a\\..\\b'].sort())
  })

  await t.test('without checksum nothing is asked, and it can be downloaded', async t => {
    proxy.requests.length = 0
    const [found] = await listReferences(handler, 'gs://plain/data.txt', { checksum: false })
    t.equal(proxy.requests.length, 0)
    t.match(found, { path: 'data.txt', digest: 'gs://plain/data.txt', size: 0 })
    t.equal((await readReference(handler, found!)).text, 'bytes of data.txt')
    await handler.check(toEntry(found!), {})
  })

  await t.test('refusals and failures have codes', async t => {
    const rows = [
      { status: 401, code: 'REFERENCE_DENIED' },
      { status: 403, code: 'REFERENCE_DENIED' },
      { status: 501, code: 'REFERENCE_FAILED' },
    ]
    for (const { status, code } of rows) {
      proxy.intercept = (_, response) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end('{"error":{}}')
        return true
      }
      t.equal(await codeOf(paths('gs://plain/data.txt')), code, String(status))
    }
    proxy.intercept = () => false
  })
})
