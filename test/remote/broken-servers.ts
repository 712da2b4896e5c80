import { createServer } from 'node:net'
import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { startFakeServer } from '../../fixtures/server/fake-server.js'
import { CATS } from '../../fixtures/server/make-version.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import type { ErrorCode } from '../../src/errors.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import type { Remote } from '../../src/remote/remote.js'
import { pushPending } from '../../src/sync/push.js'

const STORE = '0123456789abcdef0123456789abcdef'
const KEY = { kind: 'blob' as const, digest: `md5:${'0'.repeat(32)}` as const, size: 3 }
const LATEST = { kind: 'alias' as const, alias: 'latest' }

const CALLS: Record<string, (remote: Remote) => Promise<unknown>> = {
  capabilities: remote => remote.capabilities(),
  commit: remote =>
    remote.commit(CATS, [{ kind: 'alias', logId: STORE, versionId: STORE, aliases: [] }]),
  listMissing: remote => remote.listMissing('default', [KEY]),
  send: remote => remote.send('default', async function* () {}),
  fetch: async remote => {
    for await (const _ of remote.fetch('default', [KEY]));
  },
  findVersion: remote => remote.findVersion(CATS, LATEST),
  listVersions: remote => remote.listVersions({ entity: 'default' }),
  listDeleted: remote => remote.listDeleted('default', [STORE]),
  measureFreed: remote => remote.measureFreed('default', [STORE]),
  listEdges: remote => remote.listEdges('default', [{ role: 'input', versionId: STORE }]),
}

const ANSWERS: {
  title: string
  status: number
  type?: string
  body: string | Buffer
  store?: string
  code: ErrorCode
}[] = [
  {
    title: 'HTML from another server',
    status: 200,
    type: 'text/html',
    body: '<html>welcome</html>',
    code: 'REMOTE_INVALID',
  },
  {
    title: 'garbage from a store',
    status: 200,
    body: Buffer.from([0, 255, 254, 1, 2]),
    store: STORE,
    code: 'REMOTE_INVALID',
  },
  {
    title: 'JSON of another shape',
    status: 200,
    body: '{"results":3,"x":[]}',
    store: STORE,
    code: 'REMOTE_INVALID',
  },
  {
    title: 'an error of ours with a status that says success',
    status: 200,
    body: '{"error":{"code":"BLOB_MISSING","message":"x"}}',
    store: STORE,
    code: 'REMOTE_INVALID',
  },
  { title: 'a bare 500', status: 500, body: 'oops', code: 'REMOTE_FAILED' },
  { title: 'a bare 503', status: 503, type: 'text/html', body: '<h1>', code: 'REMOTE_FAILED' },
  { title: 'a bare 413', status: 413, body: '<h1>Too Large</h1>', code: 'REMOTE_INVALID' },
  { title: 'a bare 429', status: 429, body: 'slow down', code: 'REMOTE_FAILED' },
  { title: 'a 404 in HTML', status: 404, body: '<h1>Not Found</h1>', code: 'REMOTE_INVALID' },
  { title: 'a redirect', status: 302, body: '', code: 'REMOTE_INVALID' },
  { title: 'a 401', status: 401, body: '', code: 'REMOTE_UNAUTHORIZED' },
  { title: 'a 403', status: 403, body: '<h1>', code: 'REMOTE_UNAUTHORIZED' },
  {
    title: 'an error of ours',
    status: 500,
    body: '{"error":{"code":"STORE_FULL","message":"no room","details":{"a":1}}}',
    code: 'STORE_FULL',
  },
  {
    title: 'an error with a code that nobody knows',
    status: 500,
    body: '{"error":{"code":"__proto__","message":"x"}}',
    code: 'REMOTE_FAILED',
  },
]

for (const { title, status, type = 'application/json', body, store, code } of ANSWERS) {
  t.test(`every call to a server that answers with ${title} fails with ${code}`, async t => {
    const { url } = await startFakeServer(t, (request, response) => {
      request.resume()
      response.writeHead(status, {
        'content-type': type,
        location: 'http://127.0.0.1:1/elsewhere',
        ...(store !== undefined && { 'artifactd-store': store }),
      })
      response.end(body)
    })
    const remote = openHttpRemote({ url })
    for (const [name, call] of Object.entries(CALLS)) {
      await t.rejects(call(remote), { code }, name)
    }
  })
}

t.test('what a remote says of an error comes along', async t => {
  const { url } = await startFakeServer(t, (_, response) => {
    response.writeHead(409)
    response.end('{"error":{"code":"TYPE_CONFLICT","message":"so","details":{"type":"a"}}}')
  })
  const remote = openHttpRemote({ url })
  await t.rejects(remote.capabilities(), {
    code: 'TYPE_CONFLICT',
    message: 'so',
    details: { type: 'a' },
  })
})

t.test('a proxy that takes no large bodies is told from a server', async t => {
  const { url } = await startFakeServer(
    t,
    (_, response) => void response.writeHead(413).end('<h1>'),
  )
  const sending = CALLS.send!(openHttpRemote({ url }))
  await t.rejects(sending, {
    code: 'REMOTE_INVALID',
    message: /a proxy that takes no body of this size/,
  })
})

t.test('a server that is silent, or stops in the middle, is left', async t => {
  const timeouts = { idleMs: 200 }
  const silent = await startFakeServer(t, () => {})
  const stuck = await startFakeServer(t, (_, response) => {
    response.writeHead(200, { 'artifactd-store': STORE })
    response.write('{"sto')
  })
  for (const { url } of [silent, stuck]) {
    for (const [name, call] of Object.entries(CALLS)) {
      const remote = openHttpRemote({ url, timeouts })
      await t.rejects(call(remote), { code: 'REMOTE_UNREACHABLE' }, name)
    }
  }
})

t.test('a connection that is cut, refused or not HTTP', async t => {
  const cut = await startFakeServer(t, (_, response) => {
    response.writeHead(200, { 'artifactd-store': STORE, 'content-length': 100 })
    response.write('{"sto', () => response.destroy())
  })
  for (const [name, call] of Object.entries(CALLS)) {
    await t.rejects(call(openHttpRemote({ url: cut.url })), { code: 'REMOTE_UNREACHABLE' }, name)
  }

  const raw = createServer(socket => socket.end('SSH-2.0-OpenSSH_9.6\r\n')).listen(0, '127.0.0.1')
  t.teardown(() => raw.close())
  await new Promise(done => raw.once('listening', done))
  const { port } = raw.address() as { port: number }
  const other = openHttpRemote({ url: `http://127.0.0.1:${port}` })
  await t.rejects(other.capabilities(), { code: 'REMOTE_INVALID' })

  const nobody = openHttpRemote({ url: 'http://127.0.0.1:1' })
  await t.rejects(nobody.capabilities(), {
    code: 'REMOTE_UNREACHABLE',
    details: { system: 'ECONNREFUSED' },
  })
})

t.test('answers that are well formed and wrong', async t => {
  let body: unknown
  const { url } = await startFakeServer(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'artifactd-store': STORE })
    response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body))
  })
  const remote = openHttpRemote({ url })
  const invalid = { code: 'REMOTE_INVALID' }
  const item = { kind: 'alias' as const, logId: STORE, versionId: STORE, aliases: [] }

  body = { results: [] }
  await t.rejects(remote.commit(CATS, [item]), invalid, 'too few results')
  for (const indices of [[1], [0, 0], [4294967295]]) {
    body = Buffer.from(new Uint32Array(indices).buffer)
    await t.rejects(remote.listMissing('default', [KEY]), invalid, `indices ${indices}`)
  }
  const version = {
    id: STORE,
    ...CATS,
    type: 'dataset',
    algorithm: 'md5',
    digest: '64e7c61456b10382e2f3b571ac24b659',
    size: 0,
    fileCount: 0,
    pieces: [],
    description: null,
    metadata: {},
    tags: [],
    run: null,
    createdAt: '2026-11-24T10:00:00.000Z',
    number: 0,
    aliases: ['latest'],
    state: 'synced',
  }
  body = { version }
  t.same(await remote.findVersion(CATS, LATEST), { storeId: STORE, version })
  for (const changes of [
    { name: '../../etc' },
    { name: 'dogs' },
    { id: 'x' },
    { aliases: ['a/b'] },
    { type: 'a\u0000b' },
    { pieces: [{ digest: 'md5:x', size: 1, count: 1 }] },
    { size: -1 },
    { number: 1.5 },
  ]) {
    body = { version: { ...version, ...changes } }
    await t.rejects(remote.findVersion(CATS, LATEST), invalid, JSON.stringify(changes))
  }
  const { pieces: _, ...summary } = version
  body = { items: [{ ...summary, settled: true, name: 'a\u001b[2J' }] }
  await t.rejects(remote.listVersions({}), invalid)
  body = { ids: [STORE] }
  t.same(await remote.listDeleted('default', [STORE]), [STORE])
  await t.rejects(remote.listDeleted('default', ['f'.repeat(32)]), invalid)
})

t.test('a URL or key that cannot be used', async t => {
  for (const url of ['nonsense', 'ftp://x', 'http://u:secret@x', 'http://x/?a=1', 'file:///etc']) {
    t.throws(() => openHttpRemote({ url }), { code: 'INVALID_CONFIG' }, url)
  }
  t.throws(() => openHttpRemote({ url: 'http://x', apiKey: 'a\nb' }), { code: 'INVALID_CONFIG' })
})

t.test('a server that speaks another version of the protocol only is left alone', async t => {
  const { local } = await serveStores(t)
  const { id } = await logFiles(local, { 'a.txt': 'a' })
  for (const [protocol, shared] of [
    [{ min: 2, max: 3 }, false],
    [{ min: 0, max: 0 }, false],
    [{ min: 1, max: 9 }, true],
  ] as const) {
    const capabilities = { storeId: STORE, protocol, digests: ['xxh128'], entity: 'default' }
    const results = [{ status: 'committed', id, number: 7, unchanged: false }]
    const { url } = await startFakeServer(t, (request, response) => {
      response.setHeader('artifactd-store', STORE)
      const body = request.url?.endsWith('commit') ? { capabilities, results } : capabilities
      response.end(JSON.stringify(body))
    })
    const remote = openHttpRemote({ url })
    if (!shared) await t.rejects(remote.capabilities(), { code: 'PROTOCOL_UNSUPPORTED' })
    const { errors, failed, pending } = await pushPending(local, () => remote, {
      defaultRemote: url,
    })
    const codes = errors.map(({ code }) => code)
    t.same(codes, shared ? [] : ['PROTOCOL_UNSUPPORTED'])
    t.same({ failed, pending }, { failed: [], pending: shared ? 0 : 1 })
  }
})
