import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { codeOf, listReferences, toEntry } from '../../fixtures/references/list-references.js'
import { ArtifactError } from '../../src/errors.js'
import { fetchReference } from '../../src/references/fetch-reference.js'
import { createHttpHandler } from '../../src/references/http-handler.js'
import type { ReferenceEntry, ReferenceHandler } from '../../src/references/reference-handler.js'
import { openFileSink } from '../../src/references/reference-sink.js'

const handler = createHttpHandler({ pauseMs: 1 })
const BODY = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251))

/** Serves BODY under an ETag; each request takes the next cut, the byte after which it breaks off. */
async function serve(t: Test, { cuts, ranges }: { cuts: number[]; ranges: boolean }) {
  const starts: number[] = []
  let etag = '"body"'
  const server = createServer((request, response) => {
    const range = ranges ? /^bytes=(\d+)-$/.exec(request.headers.range ?? '') : null
    const start = Number(range?.[1] ?? 0)
    const cut = starts.length === 0 ? undefined : cuts.shift()
    starts.push(start)
    const end = BODY.length - 1
    response.writeHead(range ? 206 : 200, {
      etag,
      'content-length': BODY.length - start,
      ...(range && { 'content-range': `bytes ${start}-${end}/${BODY.length}` }),
    })
    if (cut === undefined) response.end(BODY.subarray(start))
    else response.write(BODY.subarray(start, cut), () => setTimeout(() => response.destroy(), 20))
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/body`
  const [found] = await listReferences(handler, url)
  return {
    entry: toEntry(found!) as ReferenceEntry,
    starts: () => starts.slice(1),
    change: () => {
      etag = '"other"'
    },
  }
}

t.test('a download that is cut goes on where it was', async t => {
  const { entry, starts } = await serve(t, { cuts: [30_000, 70_000], ranges: true })
  const file = join(t.testdir(), 'body')
  let bytes = 0
  await fetchReference(handler, entry, {
    sink: await openFileSink(file),
    pauseMs: 1,
    onBytes: more => {
      bytes += more
    },
  })
  t.ok(readFileSync(file).equals(BODY))
  t.same(starts(), [0, 30_000, 70_000])
  t.equal(bytes, BODY.length)
})

t.test('cut after the last byte, nothing is asked again', async t => {
  const { entry, starts } = await serve(t, { cuts: [0, BODY.length], ranges: true })
  const whole: ReferenceHandler = {
    ...handler,
    async open(entry, options) {
      const { from, body } = await handler.open(entry, options)
      return {
        from,
        body: (async function* () {
          yield* body
          throw new ArtifactError('REFERENCE_FAILED', 'cut at the very end')
        })(),
      }
    },
  }
  const file = join(t.testdir(), 'body')
  await fetchReference(
    whole,
    { ...entry, digest: 'body' },
    { sink: await openFileSink(file), pauseMs: 1 },
  )
  t.ok(readFileSync(file).equals(BODY))
  t.same(starts(), [0, 0])
})

t.test('from a server without ranges it begins again', async t => {
  const { entry, starts } = await serve(t, { cuts: [60_000, 20_000], ranges: false })
  const file = join(t.testdir(), 'body')
  let bytes = 0
  await fetchReference(handler, entry, {
    sink: await openFileSink(file),
    pauseMs: 1,
    onBytes: more => {
      bytes += more
    },
  })
  t.ok(readFileSync(file).equals(BODY))
  t.same(starts(), [0, 0, 0])
  t.equal(bytes, BODY.length)
})

t.test('it gives up when nothing new comes, not while something does', async t => {
  const stuck = await serve(t, { cuts: Array(6).fill(10_000), ranges: true })
  const folder = t.testdir()
  const fetching = fetchReference(handler, stuck.entry, {
    sink: await openFileSink(join(folder, 'a')),
    pauseMs: 1,
  })
  t.equal(await codeOf(fetching), 'REFERENCE_FAILED')
  t.same(stuck.starts(), [0, ...Array(5).fill(10_000)])
  const slow = await serve(t, {
    cuts: Array.from({ length: 12 }, (_, index) => (index + 1) * 5000),
    ranges: true,
  })
  await fetchReference(handler, slow.entry, {
    sink: await openFileSink(join(folder, 'b')),
    pauseMs: 1,
  })
  t.ok(readFileSync(join(folder, 'b')).equals(BODY))
  t.equal(slow.starts().length, 13)
})

t.test('an object that changes between two parts is not mixed', async t => {
  const { entry, change } = await serve(t, { cuts: [50_000], ranges: true })
  const changing: ReferenceHandler = {
    ...handler,
    open: async (entry, options) => {
      if (options.from) change()
      return handler.open(entry, options)
    },
  }
  const file = join(t.testdir(), 'body')
  t.equal(
    await codeOf(fetchReference(changing, entry, { sink: await openFileSink(file), pauseMs: 1 })),
    'REFERENCE_CHANGED',
  )
})

t.test('what nothing identifies is not put together from two downloads', async t => {
  const { entry, starts } = await serve(t, { cuts: [60_000], ranges: true })
  const unverifiable = { ...entry, digest: entry.ref, extra: { unverifiable: true as const } }
  const froms: (number | undefined)[] = []
  const watched: ReferenceHandler = {
    ...handler,
    open: (entry, options) => {
      froms.push(options.from)
      return handler.open(entry, options)
    },
  }
  const file = join(t.testdir(), 'body')
  await fetchReference(watched, unverifiable, { sink: await openFileSink(file), pauseMs: 1 })
  t.ok(readFileSync(file).equals(BODY))
  t.same(froms, [0, 0])
  t.same(starts(), [0, 0])
})

t.test('size and content digests are verified', async t => {
  const bytes = Buffer.from('123456789')
  const fixed = (parts: Buffer[]): ReferenceHandler => ({
    ...handler,
    open: async () => ({
      from: 0,
      body: (async function* () {
        yield* parts
      })(),
    }),
  })
  const rows = [
    { digest: 'md5:25f9e794323b453885f5181f1b624d0b', size: 9, code: 'no error' },
    { digest: 'md5:25f9e794323b453885f5181f1b624d0c', size: 9, code: 'REFERENCE_CHANGED' },
    // The check value of CRC-32C is 0xe3069283.
    {
      digest: `crc32c:${Buffer.from('e3069283', 'hex').toString('base64')}`,
      size: 9,
      code: 'no error',
    },
    { digest: 'crc32c:AAAAAA==', size: 9, code: 'REFERENCE_CHANGED' },
    { digest: 'an-etag', size: 9, code: 'no error' },
    { digest: 'an-etag', size: 8, code: 'REFERENCE_CHANGED' },
    { digest: 'an-etag', size: 0, extra: { sizeUnknown: true as const }, code: 'no error' },
  ]
  const folder = t.testdir()
  for (const [index, { code, ...row }] of rows.entries()) {
    const entry = { path: 'p', ref: 'https://example.com/p', ...row }
    const parts = [bytes.subarray(0, 4), bytes.subarray(4)]
    const fetching = fetchReference(fixed(parts), entry, {
      sink: await openFileSink(join(folder, String(index))),
    })
    t.equal(await codeOf(fetching), code, `${row.digest}, ${row.size} bytes`)
  }
})
