import t from 'tap'
import { testBuckets } from '../../fixtures/conformance/buckets.js'
import { codeOf, listReferences } from '../../fixtures/references/list-references.js'
import { GS_BUCKETS } from '../../fixtures/references/start-buckets.js'
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

t.test('with a server', { skip: GS_BUCKETS.skip }, async t => {
  const buckets = await GS_BUCKETS.start(t)
  const { proxy, make, put } = buckets
  const handler = await createGsHandler()
  const paths = async (uri: string) => (await listReferences(handler, uri)).map(({ path }) => path)
  const brokenPages = [JSON.stringify({ items: [], nextPageToken: 'again' })]
  await testBuckets(t, GS_BUCKETS, { handler, buckets, brokenPages })

  await t.test('what is recorded of an object', async t => {
    const [found] = await listReferences(handler, 'gs://plain/data.txt')
    t.match(found!.digest, /^md5:[0-9a-f]{32}$/)
    t.match(found!.extra, { versionID: /^\d+$/ })
  })

  await t.test('of a key that is both the object and a prefix, the object', async t => {
    await make('both')
    for (const key of ['k', 'k/d']) await put('both', key)
    t.same(await paths('gs://both/k'), ['k'], 'the object')
    t.same(await paths('gs://both/k/'), ['d'], 'the prefix')
  })

  await t.test('a generation that never was', async t => {
    t.equal(await codeOf(paths('gs://versioned/d/a#1')), 'REFERENCE_NOT_FOUND')
  })

  await t.test('an object that was composed has a CRC-32C', async t => {
    // The test server gives a composed object an MD5 all the same; the real one does not.
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

  await t.test('keys that are no paths are given as they are', async t => {
    await make('evil')
    for (const key of ['p/../../x', 'p//etc/x', 'p/a//b', 'p/a\\..\\b']) await put('evil', key)
    t.same((await paths('gs://evil/p')).sort(), ['../../x', '/etc/x', 'a//b', 'a\\..\\b'].sort())
  })
})
