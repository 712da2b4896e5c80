import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { startFakeServer } from '../../fixtures/server/fake-server.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import type { Fault } from '../../fixtures/weather/fault.js'
import { startWeather } from '../../fixtures/weather/start-weather.js'
import { contentDigest } from '../../src/remote/content-digest.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { pushPending } from '../../src/sync/push.js'

const STORE = '0123456789abcdef0123456789abcdef'
const ROUTES = ['commit', 'missing', 'packs']

for (const route of ROUTES) {
  t.test(`a push whose ${route} request arrives with other bytes is tried again`, async t => {
    const { local, served, server } = await serveStores(t)
    const weather = await startWeather(server.url)
    t.teardown(() => weather.close())
    const { id } = await logFiles(local, { 'a.txt': 'a'.repeat(1000) }, { aliases: ['best'] })
    const remote = openHttpRemote({ url: weather.url })
    const push = () => pushPending(local, () => remote, { defaultRemote: weather.url })
    for (const at of [30, 40, 50]) {
      weather.next = ({ url }): Fault | undefined =>
        url?.endsWith(route) ? { kind: 'corrupt-request', at } : undefined
      const { failed, errors, pending } = await push()
      t.same(failed, [])
      t.equal(pending, 1)
      // Flipped in the header of a record, a bit makes a pack that is none.
      t.match(errors, [{ code: /^(REQUEST_DAMAGED|PACK_INVALID)$/ }], `byte ${at}`)
      t.same((await served.catalog.listVersions({})).items, [])
    }
    weather.next = () => undefined
    t.match(await push(), { synced: [{ id, number: 0 }], failed: [], errors: [], pending: 0 })
  })
}

t.test('a request that is not what its content-digest says is refused', async t => {
  const { server } = await serveStores(t)
  const url = `${server.url}/api/v1/entities/default`
  const ask = async (path: string, type: string, body: string, digest: string) => {
    const headers = { 'content-type': type, 'content-digest': digest }
    const response = await fetch(`${url}/${path}`, { method: 'POST', headers, body })
    return {
      status: response.status,
      code: ((await response.json()) as { error: { code: string } }).error.code,
    }
  }
  const commit = 'projects/p/artifacts/cats/commit'
  const other = contentDigest('other')
  for (const [path, type] of [
    [commit, 'application/json'],
    ['missing', 'application/vnd.artifactd.keys'],
    ['fetch', 'application/vnd.artifactd.keys'],
  ] as const) {
    const refused = { status: 400, code: 'REQUEST_DAMAGED' }
    t.same(await ask(path, type, '{}', other), refused, path)
    t.same(await ask(path, type, '{}', `md5=:AAAA:, ${other}`), refused, path)
    const invalid = { status: 400, code: 'REQUEST_INVALID' }
    t.same(await ask(path, type, '{}', contentDigest('{}')), invalid, 'it was read')
    t.same(
      await ask(path, type, '{}', 'md5=:AAAA:'),
      invalid,
      'what nobody knows counts for nothing',
    )
  }
  const answer = await fetch(`${server.url}/api/v1/capabilities`)
  t.equal(answer.headers.get('content-digest'), contentDigest(await answer.text()))
})

t.test('an answer that is not what its content-digest says is REMOTE_INVALID', async t => {
  const body = JSON.stringify({ error: { code: 'TYPE_CONFLICT', message: 'so' } })
  let status = 409
  let digest = contentDigest(body)
  const { url } = await startFakeServer(t, (_, response) => {
    response.writeHead(status, { 'artifactd-store': STORE, 'content-digest': digest })
    response.end(body)
  })
  const remote = openHttpRemote({ url })
  await t.rejects(remote.capabilities(), { code: 'TYPE_CONFLICT' })
  digest = contentDigest('other')
  await t.rejects(remote.capabilities(), {
    code: 'REMOTE_INVALID',
    message: /changed on their way/,
  })
  status = 200
  await t.rejects(remote.capabilities(), {
    code: 'REMOTE_INVALID',
    message: /changed on their way/,
  })
})
