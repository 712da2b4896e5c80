import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { CERTIFICATES } from '../../fixtures/net/certificates.js'
import { startForwardProxy } from '../../fixtures/net/start-forward-proxy.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { pushPending } from '../../src/sync/push.js'

const NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY']
const apiKey = 'a-key'
const ca = [CERTIFICATES.ca]

/** Sets the variables for proxies, and no others. */
function useProxies(variables: Record<string, string>): void {
  for (const name of NAMES.flatMap(name => [name, name.toLowerCase()])) delete process.env[name]
  Object.assign(process.env, variables)
}

t.afterEach(() => useProxies({}))

/** The same address under a name that leads nowhere from here. */
const elsewhere = (url: string) => url.replace('127.0.0.1', 'server.test')

t.test('plain HTTP passes through HTTP_PROXY, also in lower case', async t => {
  const { server, local } = await serveStores(t, { key: apiKey })
  const url = elsewhere(server.url)
  const remote = openHttpRemote({ url, apiKey })
  useProxies({})
  await t.rejects(remote.capabilities(), { code: 'REMOTE_UNREACHABLE' })

  const proxy = await startForwardProxy(t)
  useProxies({ HTTP_PROXY: proxy.url, HTTPS_PROXY: 'http://127.0.0.1:9' })
  await logFiles(local, { 'a.txt': 'a', 'large.bin': seededBytes('x', 3_000_000) })
  const report = await pushPending(local, () => remote, { defaultRemote: url })
  t.match(report, { synced: { length: 1 }, errors: [], pending: 0 })
  t.ok(proxy.requests.includes(`POST ${url}/api/v1/entities/default/packs`))

  const lower = await startForwardProxy(t)
  useProxies({ http_proxy: lower.url })
  await remote.capabilities()
  t.equal(lower.requests.length, 1)
})

t.test('TLS is tunnelled through HTTPS_PROXY', async t => {
  const { server, local } = await serveStores(t, { key: apiKey })
  const front = await startProxy(t, server.url, CERTIFICATES)
  const url = elsewhere(front.url)
  const proxy = await startForwardProxy(t, 'ada:lovelace')
  useProxies({ https_proxy: proxy.url.replace('//', '//ada:lovelace@') })
  const remote = openHttpRemote({ url, apiKey, ca })
  await logFiles(local, { 'a.txt': 'a', 'large.bin': seededBytes('x', 3_000_000) })
  const report = await pushPending(local, () => remote, { defaultRemote: url })
  t.match(report, { synced: { length: 1 }, errors: [], pending: 0 })
  t.same([...new Set(proxy.requests)], [`CONNECT ${new URL(url).host}`])

  const other = openHttpRemote({ url: url.replace('server.test', 'other.test'), apiKey, ca })
  await t.rejects(other.capabilities(), { code: 'REMOTE_UNTRUSTED' }, 'it is not for that name')
})

t.test('NO_PROXY excepts hosts, and loopback is never reached through a proxy', async t => {
  const { server } = await serveStores(t)
  const proxy = await startForwardProxy(t)
  useProxies({ HTTP_PROXY: proxy.url, ALL_PROXY: proxy.url })
  for (const host of ['127.0.0.1', 'localhost']) {
    await openHttpRemote({ url: server.url.replace('127.0.0.1', host) }).capabilities()
  }
  t.same(proxy.requests, [])
  useProxies({ HTTP_PROXY: proxy.url, NO_PROXY: 'x.test,.test' })
  const remote = openHttpRemote({ url: elsewhere(server.url) })
  await t.rejects(remote.capabilities(), { code: 'REMOTE_UNREACHABLE' })
  t.same(proxy.requests, [])
})

t.test('what goes wrong with a proxy names it, and tells no password', async t => {
  const { server } = await serveStores(t, { key: apiKey })
  const url = elsewhere(server.url)
  const remote = openHttpRemote({ url, apiKey })
  const proxy = await startForwardProxy(t, 'ada:lovelace')
  const message = new RegExp(`proxy ${proxy.url} wants credentials`)
  useProxies({ HTTP_PROXY: proxy.url.replace('//', '//ada:wrong@') })
  await t.rejects(remote.capabilities(), { code: 'REMOTE_UNREACHABLE', message })
  useProxies({ HTTPS_PROXY: proxy.url })
  const secure = openHttpRemote({ url: url.replace('http:', 'https:'), apiKey })
  await t.rejects(secure.capabilities(), { code: 'REMOTE_UNREACHABLE', message })

  useProxies({ HTTP_PROXY: 'http://ada:lovelace@127.0.0.1:9' })
  const gone = await remote.capabilities().catch((error: unknown) => error as Error)
  t.match(gone, { code: 'REMOTE_UNREACHABLE', details: { proxy: 'http://127.0.0.1:9' } })
  for (const bad of ['socks5://ada:lovelace@127.0.0.1:9', 'http://ada:lovelace@x:y']) {
    useProxies({ HTTP_PROXY: bad })
    const error = await remote.capabilities().catch((error: unknown) => error as Error)
    t.match(error, { code: 'INVALID_CONFIG' })
    t.notOk(JSON.stringify(error).includes('lovelace'))
  }
})
