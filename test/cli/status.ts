import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder, home } = useHome(t, { 'a.txt': 'a', 'b.txt': 'b' })
const cli = cliIn(folder, home)
/** Nothing listens there: port 9 is "discard", and reserved. */
const NOWHERE = 'http://127.0.0.1:9'

t.test('an empty store', async t => {
  const { code, json } = await cli(['status', '--json'])
  t.equal(code, 0)
  t.type(json.storeBytes, 'number')
  t.match(json, {
    pending: 0,
    failed: 0,
    daemon: false,
    remote: null,
    reachable: false,
    versions: [],
  })
  t.match((await cli(['sync', '--json'])).json, { synced: [], pending: 0, failed: [] })
})

t.test('what is pending, and the remote it was logged for', async t => {
  await cli(['put', 'a.txt', '-n', 'p/cats'])
  await cli(['put', 'b.txt', '-n', 'p/cats'], { env: { ARTIFACT_REMOTE: NOWHERE } })
  const { json } = await cli(['status', '--json'])
  t.match(json, { pending: 2, failed: 0, remote: null, reachable: false })
  t.ok(json.storeBytes > 0)
  t.match(json.versions, [
    { project: 'p', name: 'cats', version: 'v0', state: 'pending', remote: null, mustStay: [] },
    { project: 'p', name: 'cats', version: 'v1', state: 'pending', remote: NOWHERE },
  ])
  const text = (await cli(['status'])).stdout
  t.match(
    text,
    /pending {2}p\/cats:v0 {2}1 B\npending {2}p\/cats:v1 {2}1 B {2}for http:\S+:9\n2 pending, 0 failed\n/,
  )
  t.match(text, /artifactd {2}does not run\nremote {5}none\nstore /)
  const set = { env: { ARTIFACT_REMOTE: NOWHERE } }
  t.match((await cli(['status', '--json'], set)).json, { remote: NOWHERE, reachable: false })
  t.match((await cli(['status'], set)).stdout, /remote {5}http.* \(does not answer\)/)
})

t.test('sync without a remote, or with one that does not answer', async t => {
  const alone = cliIn(folder, join(folder, 'home-alone'))
  await alone(['put', 'a.txt'])
  const without = await alone(['sync', '--json'])
  t.match({ code: without.code, error: without.error }, { code: 4, error: { code: 'NO_REMOTE' } })

  const env = { ARTIFACT_REMOTE: NOWHERE }
  const put = await alone(['put', 'b.txt', '--json'], { env })
  t.match(put, { code: 0, json: { state: 'pending' } }, 'put needs no server')
  const sync = await alone(['sync', '--json'], { env })
  t.equal(sync.code, 4)
  t.match(sync.json, { synced: [], pending: 2, errors: [{ code: 'REMOTE_UNREACHABLE' }] })
  t.equal((await alone(['get', 'b.txt'], { env })).code, 0, 'what is here is here')
  t.equal((await alone(['ls'], { env })).code, 0)
  const absent = await alone(['get', 'absent', '--json'], { env })
  t.match(
    { code: absent.code, error: absent.error },
    { code: 4, error: { code: 'REMOTE_UNREACHABLE' } },
  )
})

t.test('a server that answers 500 or garbage', async t => {
  const answers: Record<string, [status: number, type: string, body: string]> = {
    '500': [500, 'text/plain', 'Internal Server Error'],
    '503': [503, 'application/json', '{"error":{}}'],
    garbage: [200, 'text/html', '<html>a captive portal</html>'],
    '404': [404, 'text/html', 'not found'],
    json: [200, 'application/json', '{"items":5,"results":"x","storeId":1}'],
    redirect: [302, 'text/plain', ''],
  }
  const server = createServer((request, response) => {
    request.resume()
    const [status, type, body] = answers[request.url!.split('/')[1]!]!
    response.writeHead(status, { 'content-type': type, location: '/elsewhere' }).end(body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const check = async (what: string) => {
    const env = { ARTIFACT_REMOTE: `http://127.0.0.1:${port}/${what}` }
    const bad = cliIn(folder, join(folder, `home-${what}`), env)
    const put = await bad(['put', 'a.txt', '--json'])
    t.match(put, { code: 0, json: { state: 'pending', version: 'v0' } }, what)
    const sync = await bad(['sync', '--json'])
    t.equal(sync.code, 4, what)
    t.match(sync.json.errors[0].code, /^REMOTE_(FAILED|INVALID)$/, what)
    const got = await bad(['get', 'a.txt', '--root', `out-${what}`, '--json'])
    t.match(got, { code: 0, json: { resolved: 'local' } }, what)
    const status = await bad(['status', '--json'])
    t.match(status.json, { reachable: false, pending: 1, failed: 0 }, 'not refused for good')
    t.equal((await bad(['ls', '--json'])).json.length, 1, what)
  }
  await Promise.all(Object.keys(answers).map(check))
})

t.test('init names the remote', async t => {
  const named = cliIn(folder, join(folder, 'home-named'))
  const { json } = await named(['init', '--remote', `${NOWHERE}/`, '--entity', 'me', '--json'])
  t.match(json, {
    home: join(folder, 'home-named'),
    remote: NOWHERE,
    entity: 'me',
    digest: 'xxh128',
  })
  t.match((await named(['status', '--json'])).json, { remote: NOWHERE })
  t.match((await named(['put', 'a.txt', '--json'])).json, { entity: 'me' })
  t.equal((await named(['init', '--json'])).json.storeId, json.storeId, 'again changes nothing')
  const rows: [args: string[], code: string][] = [
    [['--remote', 'ftp://x'], 'INVALID_CONFIG'],
    [['--remote', 'http://me:secret@x'], 'INVALID_CONFIG'],
    [['--digest', 'crc32'], 'INVALID_CONFIG'],
    [['--digest', 'md5'], 'INVALID_CONFIG'],
    [['--entity', 'a/b'], 'INVALID_NAME'],
  ]
  for (const [args, code] of rows) {
    const failed = await named(['init', ...args, '--json'])
    t.match(
      { exit: failed.code, error: failed.error },
      { exit: 2, error: { code } },
      args.join(' '),
    )
    t.notOk(failed.stderr.includes('secret'))
  }
  t.match((await named(['init', '--json'])).json, { remote: NOWHERE, entity: 'me' })

  for (const digest of ['md5', 'sha256']) {
    const other = cliIn(folder, join(folder, `home-${digest}`))
    t.equal((await other(['init', '--digest', digest, '--json'])).json.digest, digest)
    const put = await other(['put', 'a.txt', '--json'])
    t.match(put.json.digest, digest === 'md5' ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{64}$/)
    t.equal((await other(['verify', 'a.txt'])).code, 0)
  }
})

t.test('the daemon that does not run', async t => {
  t.match((await cli(['daemon', 'stop', '--json'])).json, { stopped: false })
  const { code, error } = await cli(['daemon', 'status', '--json'])
  t.match({ code, error }, { code: 1, error: { code: 'DAEMON_NOT_RUNNING' } })
})
