import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import {
  codeOf,
  listReferences,
  readReference,
  toEntry,
} from '../../fixtures/references/list-references.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { fetchReference } from '../../src/references/fetch-reference.js'
import { createHttpHandler } from '../../src/references/http-handler.js'
import { MemorySink } from '../../src/references/reference-sink.js'

const handler = createHttpHandler({ pauseMs: 1 })

async function serve(t: Test, listener: RequestListener) {
  const requests: { url: string; headers: Record<string, unknown> }[] = []
  const server = createServer((request, response) => {
    requests.push({ url: request.url!, headers: request.headers })
    listener(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

function send(response: ServerResponse, body: string, headers: Record<string, string> = {}) {
  response.writeHead(200, { 'content-length': String(Buffer.byteLength(body)), ...headers })
  response.end(body)
}

t.test('ETag and Content-Length are recorded, the URL is kept as it was given', async t => {
  const { url, requests } = await serve(t, (_, response) => send(response, 'abc', { etag: '"e1"' }))
  const uri = `${url}/d/model%20one.h5?raw=1&b=2#part`
  const [found] = await listReferences(handler, uri)
  t.same(found, {
    path: 'model one.h5',
    single: true,
    ref: uri,
    digest: 'e1',
    size: 3,
    extra: { etag: '"e1"' },
  })
  t.match(requests[0], { url: '/d/model%20one.h5?raw=1&b=2' })
  t.equal(requests[0]!.headers['accept-encoding'], 'identity')
  t.equal((await readReference(handler, found!)).text, 'abc')
  await handler.check(toEntry(found!), {})
})

t.test('default names', async t => {
  const { url } = await serve(t, (_, response) => send(response, ''))
  const rows = { '/': '', '': '', '/a/b/': 'b', '/a%2Fb': 'a%2Fb', '/%zz': '%zz', '/x;y': 'x;y' }
  for (const [path, name] of Object.entries(rows)) {
    t.equal((await listReferences(handler, url + path))[0]!.path, name, path)
  }
})

t.test('without an ETag the URL is the digest, marked as unverifiable', async t => {
  const { url } = await serve(t, (request, response) => {
    if (request.url === '/known') send(response, 'abc')
    else response.write('abc', () => response.end())
  })
  const [known] = await listReferences(handler, `${url}/known`)
  t.match(known, { digest: `${url}/known`, size: 3 })
  t.same(known!.extra, { unverifiable: true })
  const [unknown] = await listReferences(handler, `${url}/chunked`)
  t.match(unknown, { digest: `${url}/chunked`, size: 0 })
  t.same(unknown!.extra, { unverifiable: true, sizeUnknown: true })
  t.equal((await readReference(handler, unknown!)).text, 'abc')
  await handler.check(toEntry(unknown!), {})
})

t.test('another ETag is a change; so is none', async t => {
  let headers: Record<string, string> = { etag: '"one"' }
  const { url } = await serve(t, (_, response) => send(response, 'abc', headers))
  const [found] = await listReferences(handler, url)
  for (const next of [{ etag: '"two"' }, {}]) {
    headers = next as Record<string, string>
    t.equal(await codeOf(readReference(handler, found!)), 'REFERENCE_CHANGED')
    t.equal(await codeOf(handler.check(toEntry(found!), {})), 'REFERENCE_CHANGED')
  }
  headers = { etag: '"one"' }
  await handler.check(toEntry(found!), {})
})

t.test('a weak ETag identifies, but does not resume', async t => {
  let etag = 'W/"w"'
  const { url, requests } = await serve(t, (_, response) => send(response, 'abcdef', { etag }))
  const [found] = await listReferences(handler, url)
  t.match(found, { digest: 'W/w', extra: { etag: 'W/"w"' } })
  t.same(await readReference(handler, found!, { from: 3 }), { from: 0, text: 'abcdef' })
  t.equal(requests.at(-1)!.headers.range, undefined)
  etag = '"w"'
  t.equal((await readReference(handler, found!)).text, 'abcdef', 'strong now')
})

t.test('resuming', async t => {
  const body = 'abcdefghij'
  let mode = 'range'
  let etag = '"r"'
  const { url, requests } = await serve(t, (request, response) => {
    const { range, 'if-match': ifMatch } = request.headers
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
    if (mode === 'whole' || range === undefined) return send(response, body, { etag })
    if (mode === 'strict' && ifMatch !== etag) return void response.writeHead(412).end()
    if (from >= body.length) {
      return void response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end()
    }
    const start = mode === 'wrong' ? 0 : from
    const headers = mode === 'bare' ? {} : { etag }
    response.writeHead(206, {
      ...headers,
      'content-range': `bytes ${start}-${body.length - 1}/${body.length}`,
    })
    response.end(body.slice(start))
  })
  const [found] = await listReferences(handler, url)
  t.same(await readReference(handler, found!, { from: 4 }), { from: 4, text: 'efghij' })
  t.match(requests.at(-1)!.headers, { range: 'bytes=4-', 'if-match': '"r"' })
  t.same(
    await readReference(handler, found!, { from: 10 }),
    { from: 10, text: '' },
    '416 at the end',
  )
  t.same(await readReference(handler, found!, { from: 12 }), { from: 0, text: body }, 'beyond it')
  for (const other of ['whole', 'wrong', 'bare']) {
    mode = other
    t.same(await readReference(handler, found!, { from: 4 }), { from: 0, text: body }, other)
  }
  etag = '"changed"'
  for (const other of ['range', 'strict', 'whole']) {
    mode = other
    t.equal(await codeOf(readReference(handler, found!, { from: 4 })), 'REFERENCE_CHANGED', other)
  }
})

t.test('304 says that nothing changed', async t => {
  const { url, requests } = await serve(t, (request, response) => {
    if (request.headers['if-none-match'] === '"e"') response.writeHead(304).end()
    else send(response, 'abc', { etag: '"e"' })
  })
  const [found] = await listReferences(handler, url)
  await handler.check(toEntry(found!), {})
  t.equal(requests.at(-1)!.headers['if-none-match'], '"e"')
})

t.test('redirects are followed, five of them, to http and https only', async t => {
  const { url, requests } = await serve(t, (request, response) => {
    const [, kind, left] = request.url!.split('/')
    if (kind === 'to')
      return void response.writeHead(302, { location: decodeURIComponent(left!) }).end()
    if (kind === 'loop') return void response.writeHead(302, { location: '/loop' }).end()
    if (Number(left) === 0) return send(response, 'abc', { etag: '"e"' })
    response.writeHead(307, { location: `/step/${Number(left) - 1}` }).end()
  })
  const [found] = await listReferences(handler, `${url}/step/5`)
  t.match(found, { ref: `${url}/step/5`, path: '5', digest: 'e' })
  t.equal(requests.length, 6)
  t.equal(await codeOf(listReferences(handler, `${url}/step/6`)), 'REFERENCE_UNSUPPORTED')
  t.equal(
    await codeOf(listReferences(handler, `${url}/to/unix:%2Ftmp%2Fx:%2Fy`)),
    'REFERENCE_FAILED',
  )
  t.equal(await codeOf(listReferences(handler, `${url}/loop`)), 'REFERENCE_UNSUPPORTED')
  for (const target of ['file:///etc/passwd', 'ftp://127.0.0.1/x', 'data:,x', 'javascript:x']) {
    const uri = `${url}/to/${encodeURIComponent(target)}`
    t.equal(await codeOf(listReferences(handler, uri)), 'REFERENCE_UNSUPPORTED', target)
  }
})

t.test('a content coding that was not asked for is taken off', async t => {
  const { url } = await serve(t, (request, response) => {
    const coding = request.url!.slice(1)
    const body = gzipSync('the plain bytes')
    response.writeHead(200, {
      etag: '"g"',
      'content-encoding': coding,
      'content-length': String(body.length),
    })
    response.end(body)
  })
  const [found] = await listReferences(handler, `${url}/gzip`)
  t.match(found, { size: 0, digest: 'g' })
  t.same(found!.extra, { etag: '"g"', sizeUnknown: true })
  t.equal((await readReference(handler, found!)).text, 'the plain bytes')
  t.equal(await codeOf(listReferences(handler, `${url}/pack200`)), 'REFERENCE_UNSUPPORTED')
})

t.test('statuses have codes, and those that may pass are asked again', async t => {
  const rows = [
    { status: 400, code: 'REFERENCE_FAILED', requests: 5 },
    { status: 401, code: 'REFERENCE_DENIED', requests: 1 },
    { status: 403, code: 'REFERENCE_DENIED', requests: 1 },
    { status: 404, code: 'REFERENCE_NOT_FOUND', requests: 1 },
    { status: 410, code: 'REFERENCE_NOT_FOUND', requests: 1 },
    { status: 429, code: 'REFERENCE_FAILED', requests: 5 },
    { status: 500, code: 'REFERENCE_FAILED', requests: 5 },
    { status: 503, code: 'REFERENCE_FAILED', requests: 5 },
  ]
  for (const { status, code, requests } of rows) {
    const server = await serve(t, (_, response) => void response.writeHead(status).end())
    t.equal(await codeOf(listReferences(handler, server.url)), code, String(status))
    t.equal(server.requests.length, requests, `${status}: requests`)
  }
  let failures = 2
  const { url } = await serve(t, (_, response) => {
    if (failures-- > 0) response.writeHead(503).end()
    else send(response, 'abc', { etag: '"e"' })
  })
  t.equal((await listReferences(handler, url))[0]!.digest, 'e')
})

t.test('a server that says when to ask again is asked then, unless that is far away', async t => {
  let failures = 0
  let retryAfter = ''
  const times: number[] = []
  const { url, requests } = await serve(t, (_, response) => {
    times.push(Date.now())
    if (failures-- > 0) response.writeHead(429, { 'retry-after': retryAfter }).end()
    else send(response, 'abc', { etag: '"e"' })
  })
  const entry = { path: 'p', ref: url, digest: 'e', size: 3 }
  const download = async () => {
    const sink = new MemorySink()
    await fetchReference(handler, entry, { sink, pauseMs: 1 })
    return String(sink.bytes)
  }
  failures = 1
  retryAfter = '1'
  t.equal(await download(), 'abc')
  t.ok(times[1]! - times[0]! >= 1000, 'not before')
  failures = 1
  retryAfter = new Date(Date.now() - 1000).toUTCString()
  t.equal((await listReferences(handler, url))[0]!.digest, 'e', 'a time that has passed')
  for (retryAfter of ['3600', new Date(Date.now() + 3_600_000).toUTCString()]) {
    failures = 1
    requests.length = 0
    await t.rejects(download(), {
      code: 'REFERENCE_FAILED',
      details: { status: 429, retryAfterMs: Number },
    })
    t.equal(requests.length, 1)
  }
  failures = 1
  retryAfter = '30'
  const controller = new AbortController()
  const waiting = fetchReference(handler, entry, {
    sink: new MemorySink(),
    signal: controller.signal,
  })
  await waitUntil(async () => failures < 1)
  controller.abort()
  t.equal(await codeOf(waiting), 'INTERRUPTED')
})

t.test('a part in a content coding is no part of the decoded bytes', async t => {
  const whole = gzipSync('the plain bytes')
  const { url, requests } = await serve(t, (request, response) => {
    const coded = { etag: '"g"', 'content-encoding': 'gzip' }
    if (!request.headers.range) return void response.writeHead(200, coded).end(whole)
    response.writeHead(206, { ...coded, 'content-range': `bytes 4-14/${whole.length}` })
    response.end(whole.subarray(4))
  })
  const [found] = await listReferences(handler, url)
  t.same(await readReference(handler, found!, { from: 4 }), { from: 0, text: 'the plain bytes' })
  t.match(requests.at(-2)!.headers, { range: 'bytes=4-' })
})

t.test('a body in a content coding that is cut', async t => {
  const whole = gzipSync(randomBytes(10_000))
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { etag: '"g"', 'content-encoding': 'gzip' })
    response.end(whole.subarray(0, 5000))
  })
  const [found] = await listReferences(handler, url)
  t.equal(await codeOf(readReference(handler, found!)), 'REFERENCE_FAILED')
})

t.test('HEAD is never asked, which some servers refuse', async t => {
  const { url } = await serve(t, (request, response) => {
    if (request.method === 'GET') send(response, 'abc', { etag: '"e"' })
    else response.writeHead(405).end()
  })
  const [found] = await listReferences(handler, url)
  t.match(found, { digest: 'e', size: 3 })
  await handler.check(toEntry(found!), {})
})

t.test('a server that is not there, that hangs, or that speaks something else', async t => {
  t.equal(await codeOf(listReferences(handler, 'http://127.0.0.1:1/x')), 'REFERENCE_FAILED')
  t.equal(await codeOf(listReferences(handler, 'http://nowhere.invalid/x')), 'REFERENCE_FAILED')
  const hasty = createHttpHandler({ idleMs: 50, pauseMs: 1 })
  const silent = await serve(t, () => {})
  t.equal(await codeOf(listReferences(hasty, silent.url)), 'REFERENCE_FAILED')
  const slow = await serve(t, (_, response) => {
    response.writeHead(200, { etag: '"s"', 'content-length': '6' })
    response.write('abc')
  })
  const [found] = await listReferences(hasty, slow.url)
  t.equal(await codeOf(readReference(hasty, found!)), 'REFERENCE_FAILED', 'half a body')
  const cut = await serve(t, (_, response) => {
    response.writeHead(200, { etag: '"s"', 'content-length': '6' })
    response.write('abc', () => response.destroy())
  })
  t.equal(
    await codeOf(readReference(handler, { ...found!, ref: cut.url })),
    'REFERENCE_FAILED',
    'a truncated body',
  )
})

t.test('an aborted signal ends a question and a download', async t => {
  const controller = new AbortController()
  const { url } = await serve(t, (request, response) => {
    if (request.url === '/hang') controller.abort()
    else response.writeHead(200, { etag: '"s"', 'content-length': '6' }).write('abc')
  })
  const { signal } = controller
  const [found] = await listReferences(handler, `${url}/a`)
  const opened = await handler.open(toEntry(found!), { signal })
  t.equal(await codeOf(listReferences(handler, `${url}/hang`, { signal })), 'INTERRUPTED')
  const read = async () => {
    for await (const _ of opened.body);
  }
  t.equal(await codeOf(read()), 'INTERRUPTED')
})

t.test('an entry from elsewhere may hold anything', async t => {
  const { url } = await serve(t, (_, response) => send(response, 'abc', { etag: '"e"' }))
  const entry = { path: 'p', ref: url, digest: 'e', size: 3 }
  for (const extra of [undefined, null, 7, 'x', [], { etag: 7 }, { etag: '"e\r\nx: y"' }]) {
    const odd = { ...entry, extra: extra as never }
    await handler.check(odd, {})
    const { body } = await handler.open(odd, { from: 2 })
    let bytes = 0
    for await (const part of body) bytes += part.length
    t.equal(bytes, 3, JSON.stringify(extra))
  }
})

t.test('without checksum nothing is asked', async t => {
  const { url, requests } = await serve(t, (_, response) => send(response, 'abc', { etag: '"e"' }))
  const [found] = await listReferences(handler, `${url}/f`, { checksum: false })
  t.equal(requests.length, 0)
  t.match(found, { path: 'f', digest: `${url}/f`, size: 0 })
  t.equal((await readReference(handler, found!)).text, 'abc')
})
