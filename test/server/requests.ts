import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { inspect } from 'node:util'
import t from 'tap'
import { commitOf, makeVersion, recordsOf } from '../../fixtures/server/make-version.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { isSameKey } from '../../server/auth.js'
import { startServer } from '../../server/start-server.js'
import { packPath } from '../../src/model/home.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'

const JSON_TYPE = 'application/json'
const KEYS = 'application/vnd.artifactd.keys'
const PACK = 'application/vnd.artifactd.pack'
const COMMIT = '/api/v1/entities/default/projects/animals/artifacts/cats/commit'

interface Answer {
  status: number
  code?: string
  type: string | null
  store: string | null
}

async function ask(url: string, type?: string, body?: string | Buffer): Promise<Answer> {
  const response = await fetch(url, {
    ...(body !== undefined && { method: 'POST', body: new Uint8Array(Buffer.from(body)) }),
    headers: type === undefined ? {} : { 'content-type': type },
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith(JSON_TYPE)
  return {
    status: response.status,
    code: isJson ? JSON.parse(text).error?.code : undefined,
    type: response.headers.get('content-type'),
    store: response.headers.get('artifactd-store'),
  }
}

t.test('a server without a key answers for this machine only', async t => {
  const server = await startServer({ home: t.testdir({}), host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const { port } = new URL(server.url)
  const statusFor = (host: string) =>
    new Promise<number>((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: '/api/v1/capabilities', headers: { host } }
      request(options, answer => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
        .on('error', reject)
        .end()
    })
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'localhost', `[::1]:${port}`]) {
    t.equal(await statusFor(host), 200, host)
  }
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    '10.0.0.1',
  ]) {
    t.equal(await statusFor(host), 400, host)
  }
})

t.test('every request must carry the key, if there is one', async t => {
  const { server, remote } = await serveStores(t, { key: 'sesame' })
  t.same((await remote.capabilities()).protocol, { min: 1, max: 1 })
  for (const apiKey of [null, 'wrong', 'sesam', 'sesamee']) {
    const other = openHttpRemote({ url: server.url, apiKey })
    await t.rejects(other.capabilities(), { code: 'REMOTE_UNAUTHORIZED' }, String(apiKey))
    await t.rejects(
      other.listMissing('default', []),
      { code: 'REMOTE_UNAUTHORIZED' },
      String(apiKey),
    )
    const sending = other.send('default', async function* () {})
    await t.rejects(sending, { code: 'REMOTE_UNAUTHORIZED' }, String(apiKey))
  }
  const nowhere = await ask(`${server.url}/nowhere`)
  t.match(nowhere, { status: 401, code: 'REMOTE_UNAUTHORIZED' })
})

t.test('a large upload without a key gets its answer', async t => {
  const { server } = await serveStores(t, { key: 'sesame' })
  const answer = await ask(`${server.url}/api/v1/entities/default/packs`, PACK, randomBytes(20e6))
  t.match(answer, { status: 401, code: 'REMOTE_UNAUTHORIZED' })
})

t.test('keys are compared whole', async t => {
  t.equal(isSameKey('a key', 'a key'), true)
  for (const other of ['a keY', 'a ke', 'a key ', '']) t.equal(isSameKey(other, 'a key'), false)
})

t.test('without a key only loopback is listened on', async t => {
  const home = t.testdir()
  for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
    const starting = startServer({ home, host, port: 0 })
    await t.rejects(starting, { code: 'SERVER_KEY_REQUIRED' }, host)
    const empty = startServer({ home, host, port: 0, key: '' })
    await t.rejects(empty, { code: 'SERVER_KEY_REQUIRED' }, `${host}, empty key`)
  }
  for (const host of ['localhost', '127.0.0.2']) {
    const server = await startServer({ home, host, port: 0 })
    await server.close()
    t.match(server.url, /^http:\/\/(127\.0\.0\.\d|\[::1\]):\d+$/)
  }
  const open = await startServer({ home, host: '0.0.0.0', port: 0, key: 'sesame' })
  await open.close()
})

t.test('an address that cannot be had', async t => {
  const { folder, server } = await serveStores(t)
  const taken = Number(new URL(server.url).port)
  for (const [host, port] of [
    ['127.0.0.1', taken],
    ['192.0.2.1', 0],
    ['no-such-host.invalid', 0],
  ] as const) {
    const starting = startServer({ home: `${folder}/other`, host, port, key: 'k' })
    await t.rejects(starting, { code: 'ADDRESS_UNAVAILABLE' }, host)
  }
})

t.test('closing lets requests finish', async t => {
  const { folder, local } = await serveStores(t)
  const server = await startServer({ home: `${folder}/other`, host: '127.0.0.1', port: 0 })
  const remote = openHttpRemote({ url: server.url })
  const { blobs, pieces } = await makeVersion(local, {
    a: randomBytes(200_000),
    b: randomBytes(200_000),
  })
  let closing: Promise<void> | undefined
  const sent = await remote.send('default', async function* () {
    yield* recordsOf(local, blobs)()
    // The server is busy with this request when it answers another.
    await remote.listMissing('default', blobs)
    closing = server.close()
    yield* recordsOf(local, pieces)()
  })
  t.same(sent, { stored: 3, rejected: [] })
  await closing
  await t.rejects(remote.capabilities(), { code: 'REMOTE_UNREACHABLE' })
})

t.test('an error of the network does not hold the key', async t => {
  const remote = openHttpRemote({ url: 'http://127.0.0.1:1', apiKey: 'sesame-street' })
  const error = await remote.capabilities().catch(error => error)
  t.equal(error.code, 'REMOTE_UNREACHABLE')
  t.notMatch(inspect(error, { depth: 20 }), 'sesame')
})

t.test('garbage is refused with a code, never answered with 500', async t => {
  const { server, served } = await serveStores(t)
  const api = `${server.url}/api/v1`
  const noise = randomBytes(5000)
  const row = Buffer.alloc(26).fill(1, 0, 18)
  const item = { kind: 'alias', logId: 'abcdefgh', versionId: 'x', aliases: [] }
  const cases: [string, string, string | undefined, string | Buffer | undefined][] = [
    ['ROUTE_NOT_FOUND', `${server.url}/`, undefined, undefined],
    ['ROUTE_NOT_FOUND', `${api}/capabilities/x`, undefined, undefined],
    ['ROUTE_NOT_FOUND', `${api}/capabilities`, JSON_TYPE, '{}'],
    ['ROUTE_NOT_FOUND', `${api}/entities/default/missing`, undefined, undefined],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, JSON_TYPE, '{'],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, JSON_TYPE, ''],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, JSON_TYPE, 'null'],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, JSON_TYPE, '{"items":[]}'],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, JSON_TYPE, '{"items":[1]}'],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, JSON_TYPE, '{"__proto__":{"items":[]}}'],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, JSON_TYPE, noise],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, 'text/plain', '{"items":[]}'],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, PACK, noise],
    ['REQUEST_INVALID', `${server.url}${COMMIT}`, undefined, noise],
    [
      'REQUEST_INVALID',
      `${server.url}${COMMIT}`,
      JSON_TYPE,
      JSON.stringify({ items: Array(1001).fill(item) }),
    ],
    [
      'REQUEST_INVALID',
      `${server.url}${COMMIT}`,
      JSON_TYPE,
      JSON.stringify({ items: [{ ...item, logId: 'a\u0000b-12345' }] }),
    ],
    [
      'REQUEST_TOO_LARGE',
      `${server.url}${COMMIT}`,
      JSON_TYPE,
      JSON.stringify({ items: [item], x: 'x'.repeat(17e6) }),
    ],
    ['REQUEST_INVALID', `${api}/entities/default/missing`, KEYS, Buffer.from([9, 1, 2])],
    ['REQUEST_INVALID', `${api}/entities/default/missing`, KEYS, Buffer.from([1, 9, 2])],
    ['REQUEST_INVALID', `${api}/entities/default/missing`, KEYS, Buffer.from([1, 1, 2])],
    ['REQUEST_INVALID', `${api}/entities/default/missing`, KEYS, Buffer.alloc(26, 1).fill(255, 18)],
    ['REQUEST_INVALID', `${api}/entities/default/missing`, JSON_TYPE, '{}'],
    ['REQUEST_INVALID', `${api}/entities/default/fetch`, PACK, noise],
    [
      'REQUEST_TOO_LARGE',
      `${api}/entities/default/fetch`,
      KEYS,
      Buffer.concat(Array(10_001).fill(row)),
    ],
    ['REQUEST_TOO_LARGE', `${api}/entities/default/missing`, KEYS, Buffer.alloc(420_001, 1)],
    ['PACK_INVALID', `${api}/entities/default/packs`, PACK, noise],
    ['PACK_INVALID', `${api}/entities/default/packs`, PACK, ''],
    ['PACK_INVALID', `${api}/entities/default/packs`, PACK, randomBytes(20e6)],
    ['REQUEST_INVALID', `${api}/entities/default/packs`, KEYS, noise],
    ['ENTITY_NOT_FOUND', `${api}/entities/acme/packs`, PACK, randomBytes(20e6)],
    ['ENTITY_NOT_FOUND', `${api}/entities/acme/missing`, KEYS, ''],
    ['ENTITY_NOT_FOUND', `${api}/entities/acme/fetch`, KEYS, ''],
    ['ENTITY_NOT_FOUND', `${api}/versions?entity=acme`, undefined, undefined],
    ['ENTITY_NOT_FOUND', `${api}/entities/acme/deleted`, JSON_TYPE, '{"ids":[]}'],
    ['REQUEST_INVALID', `${api}/entities/default/deleted`, JSON_TYPE, '{"ids":["x"]}'],
    [
      'REQUEST_INVALID',
      `${api}/entities/default/deleted`,
      JSON_TYPE,
      JSON.stringify({ ids: Array(5001).fill('f'.repeat(32)) }),
    ],
    ['ENTITY_NOT_FOUND', `${api}/entities/acme/freed`, JSON_TYPE, '{"ids":[]}'],
    ['REQUEST_INVALID', `${api}/entities/default/freed`, JSON_TYPE, '{"ids":["x"]}'],
    ['REQUEST_INVALID', `${api}/versions`, undefined, undefined],
    ['REQUEST_INVALID', `${api}/versions?entity=default&entity=acme`, undefined, undefined],
    ['REQUEST_INVALID', `${api}/versions?entity=default&state=x`, undefined, undefined],
    ['REQUEST_INVALID', `${api}/versions?entity=default&after=answer`, undefined, undefined],
    ['REQUEST_INVALID', `${api}/versions?entity=default&after=version%00`, undefined, undefined],
    ['INVALID_NAME', `${api}/versions?entity=default&project=a%00b`, undefined, undefined],
  ]
  const version = (project: string, name: string, selector: string) =>
    `${api}/entities/default/projects/${project}/artifacts/${name}/versions/${selector}`
  cases.push(
    ['ARTIFACT_NOT_FOUND', version('animals', 'cats', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('animals', '%2e%2e%2fcats', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('animals', '%252e%252e', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('animals', 'a%5cb', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('animals', 'a;b=c', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('animals', 'cats%40abcdef01', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('animals', 'a%0ab', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('a%2fb', 'cats', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('a%3fb', 'cats', 'latest'), undefined, undefined],
    ['INVALID_NAME', version('animals', 'x'.repeat(129), 'latest'), undefined, undefined],
    ['REQUEST_INVALID', version('animals', 'x'.repeat(3000), 'latest'), undefined, undefined],
    ['REQUEST_INVALID', version('animals', '%zz', 'latest'), undefined, undefined],
    ['INVALID_ALIAS', version('animals', 'cats', 'a%2fb'), undefined, undefined],
    ['INVALID_ALIAS', version('animals', 'cats', ':a:b'), undefined, undefined],
    ['INVALID_REFERENCE', version('animals', 'cats', 'v01'), undefined, undefined],
    ['INVALID_REFERENCE', version('animals', 'cats', '@xyz'), undefined, undefined],
  )
  for (const [code, url, type, body] of cases) {
    const answer = await ask(url, type, body)
    const what = `${url.slice(server.url.length, server.url.length + 100)} ${type ?? ''}`
    t.equal(answer.code, code, what)
    t.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status}`)
    t.equal(answer.store, served.id)
  }
  const most = JSON.stringify({ ids: Array(100_000).fill('f'.repeat(32)) })
  t.equal((await ask(`${api}/entities/default/freed`, JSON_TYPE, most)).status, 200)
})

t.test('what is not HTTP gets a coded answer', async t => {
  const { server } = await serveStores(t)
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write('nonsense\r\n\r\n')
  let text = ''
  for await (const part of socket) text += part
  t.match(text, /^HTTP\/1\.1 400 /)
  t.match(JSON.parse(text.split('\r\n\r\n')[1]!), { error: { code: 'REQUEST_INVALID' } })
})

t.test('names with odd characters come through', async t => {
  const { local, remote } = await serveStores(t)
  const collection = { entity: 'default', project: 'a b+c&d=e;é😀@x', name: 'n.a-m_e' }
  const { version } = await makeVersion(local, {}, collection)
  const aliases = ['.', '..', 'a b', '%2e', '100%', 'é😀', '@id', 'q?x#y', 'v1x', 'x'.repeat(128)]
  const item = { kind: 'version' as const, logId: version.id, version, aliases }
  t.match((await remote.commit(collection, [item])).results, [{ status: 'committed' }])
  for (const alias of aliases) {
    const found = await remote.findVersion(collection, { kind: 'alias', alias })
    t.equal(found.version.id, version.id, alias)
  }
  const { project } = collection
  t.equal((await remote.listVersions({ project })).items.length, 1)
})

t.test('a fault inside is told without its text', async t => {
  const { local, served, server } = await serveStores(t)
  const { version, blobs, pieces } = await makeVersion(local, { a: 'a' })
  const remote = openHttpRemote({ url: server.url })
  await remote.send('default', recordsOf(local, [...blobs, ...pieces]))
  const [place] = await served.catalog.locate(pieces)
  if (place?.in !== 'pack') throw new Error('a piece is kept in a pack')
  const path = packPath(served.home, place.packId)
  // To read a folder fails as a bad disk does.
  rmSync(path)
  mkdirSync(path)
  const body = JSON.stringify({ items: [commitOf(version)] })
  const headers = { 'content-type': JSON_TYPE }
  const response = await fetch(`${server.url}${COMMIT}`, { method: 'POST', headers, body })
  t.equal(response.status, 500)
  const { error } = (await response.json()) as { error: { code: string } }
  t.same(Object.keys(error), ['code', 'message'])
  t.equal(error.code, 'STORE_FAILED')
  t.notMatch(JSON.stringify(error), served.home)
})
