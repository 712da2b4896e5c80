import { join } from 'node:path'
import t from 'tap'
import { CERTIFICATES } from '../../fixtures/net/certificates.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { useHome } from '../../fixtures/use-home.js'
import { createRemoteOpener } from '../../src/sync/create-remote-opener.js'

t.test('a server with a certificate of an authority of one’s own', async t => {
  const { server } = await serveStores(t)
  const { url } = await startProxy(t, server.url, CERTIFICATES)
  const { folder, home } = useHome(t, { 'a.txt': 'a', 'ca.pem': CERTIFICATES.ca })
  const cli = cliIn(folder, home)
  await cli(['init', '--remote', url])
  await cli(['put', 'a.txt', '-n', 'p/a'])
  const before = await cli(['sync', '--json'])
  t.match(before, { code: 4, json: { errors: [{ code: 'REMOTE_UNTRUSTED' }] } })
  const extra = { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') }
  t.match((await cli(['status', '--json'], { env: extra })).json, { reachable: true })

  const init = await cli(['init', '--ca-file', 'ca.pem', '--json'])
  t.match(init.json, { caFile: join(folder, 'ca.pem') })
  t.match(await cli(['sync', '--json']), { code: 0, json: { synced: { length: 1 } } })
  t.match((await cli(['init', '--ca-file', 'none', '--json'])).json, { caFile: null })
})

t.test('a CA file that cannot be used is named', async t => {
  const folder = t.testdir({
    empty: '',
    broken: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  })
  for (const name of ['absent', 'empty', 'broken']) {
    const caFile = join(folder, name)
    const open = createRemoteOpener({ remote: null, apiKey: null, caFile })
    const message = new RegExp(`${caFile}.*ARTIFACT_CA_FILE`)
    t.throws(() => open('https://127.0.0.1:9'), { code: 'INVALID_CONFIG', message })
  }
})
