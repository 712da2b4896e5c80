import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder } = useHome(t)

/** A machine: a home of its own. */
const machine = (name: string, remote: string) =>
  cliIn(folder, join(folder, name), { ARTIFACT_REMOTE: remote })

t.test('a version goes to the remote that it was logged for, and to no other', async t => {
  const old = await serveProcess(t, join(folder, 'data-old'))
  const now = await serveProcess(t, join(folder, 'data-now'))
  const here = cliIn(folder, join(folder, 'moved'))
  writeFileSync(join(folder, 'moved.txt'), 'moved')
  await here(['init', '--remote', old.url])
  await here(['put', 'moved.txt', '-n', 'p/old'])
  await here(['init', '--remote', now.url])
  await here(['put', 'moved.txt', '-n', 'p/now'])
  t.equal((await here(['sync', '--json'])).json.synced.length, 2)
  const list = async (name: string, url: string): Promise<string[]> =>
    (await machine(name, url)(['ls', '--json'])).json.map(({ name }: { name: string }) => name)
  t.same(await list('asks-old', old.url), ['old'])
  t.same(await list('asks-now', now.url), ['now'])
})

t.test('what waits for a remote that nobody meant goes to another when it is told to', async t => {
  const server = await serveProcess(t, join(folder, 'data-typo'))
  const wrong = `${server.url}/typo`
  const here = cliIn(folder, join(folder, 'typo'))
  writeFileSync(join(folder, 'typo.txt'), 'typo')
  await here(['init', '--remote', wrong])
  await here(['put', 'typo.txt', '-n', 'p/typo'])
  await here(['init', '--remote', server.url])
  t.match((await here(['status'])).stdout, `for ${wrong}`)
  const stuck = await here(['sync'])
  t.match(stuck, { code: 5, stdout: `artifact sync --redirect ${wrong}` })

  const told = await here(['sync', '--redirect', `${wrong}/`, '--json'])
  t.match(told, { code: 0, json: { redirected: 1, pending: 0, synced: [{ name: 'typo' }] } })
  t.match((await here(['sync', '--redirect', wrong, '--json'])).json, { redirected: 0 })
  const ls = await machine('asks-typo', server.url)(['ls', '--json'])
  t.match(ls.json, [{ name: 'typo' }])
})

t.test('a server below a path of a proxy, which takes it away again', async t => {
  const server = await serveProcess(t, join(folder, 'data-path'))
  const { hostname, port } = new URL(server.url)
  const paths: string[] = []
  const proxy = createServer((incoming, response) => {
    const { method, headers, url = '' } = incoming
    paths.push(url)
    const path = url.replace(/^\/team\/store/, '')
    const outgoing = request({ hostname, port, method, path, headers }, answer => {
      response.writeHead(answer.statusCode!, answer.rawHeaders)
      answer.pipe(response)
    })
    incoming.pipe(outgoing)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => proxy.close())
  const remote = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/team/store/`
  writeFileSync(join(folder, 'path.txt'), 'path')
  const here = machine('below-path', remote)
  await here(['put', 'path.txt', '-n', 'p/path'])
  t.match(await here(['sync', '--json']), { code: 0, json: { pending: 0 } })
  const other = machine('reads-path', remote)
  t.match(await other(['get', 'p/path', '--root', 'out-path']), { code: 0 })
  t.ok(paths.length > 4 && paths.every(path => path.startsWith('/team/store/api/v1/')))
})

t.test('a server with a key takes no other', async t => {
  const server = await serveProcess(t, join(folder, 'data-key'), { key: 'the-right-key' })
  writeFileSync(join(folder, 'secret.txt'), 'secret')
  for (const key of [undefined, 'wrong', 'the-right-key ', 'the-right-ke']) {
    const env = { ARTIFACT_REMOTE: server.url, ARTIFACT_API_KEY: key }
    const here = cliIn(folder, join(folder, 'wrong-key'), env)
    t.match(await here(['put', 'secret.txt', '-n', 'p/s']), { code: 0 }, 'put needs no key')
    const sync = await here(['sync', '--json'])
    t.equal(sync.code, key?.endsWith(' ') ? 2 : 4, `${key}`)
    if (sync.code === 4) t.match((await here(['status'])).stdout, /remote .*API key\)/)
    if (sync.code === 4) t.match(sync.json.errors, [{ code: 'REMOTE_UNAUTHORIZED' }])
    const waits = await here(['put', 'secret.txt', '-n', 'p/s', '--wait', '--json'])
    t.match(waits.code, /^[24]$/, 'nobody waits for ever')
    const get = await here(['get', 'p/absent', '--json'])
    t.match(get.code, /^[24]$/)
    t.notOk(`${sync.stdout}${sync.stderr}${get.stderr}`.includes('the-right-ke'), 'no key is told')
  }
  const right = { ARTIFACT_REMOTE: server.url, ARTIFACT_API_KEY: 'the-right-key' }
  const here = cliIn(folder, join(folder, 'wrong-key'), right)
  t.match(await here(['sync', '--json']), { code: 0, json: { pending: 0 } })
  t.match((await here(['show', 'p/s', '--json'])).json, { state: 'synced' })
})
