import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder } = useHome(t)

t.test('status tells that a server was wiped, and sync sends what it had', async t => {
  const data = join(folder, 'data')
  const server = await serveProcess(t, data)
  const env = { ARTIFACT_REMOTE: server.url }
  const here = cliIn(folder, join(folder, 'here'), env)
  writeFileSync(join(folder, 'a.txt'), 'a')
  await here(['put', 'a.txt', '-n', 'p/cats', '-a', 'best'])
  t.match((await here(['sync', '--json'])).json, { resent: 0, synced: { length: 1 } })
  await server.stop()
  rmSync(data, { recursive: true })
  await serveProcess(t, data, { port: Number(new URL(server.url).port) })

  const lost = { pending: 0, reachable: true, remoteLost: true }
  t.match((await here(['status', '--json'])).json, lost)
  const sync = await here(['sync'])
  t.equal(sync.code, 0)
  t.match(sync.stderr, /the remote was wiped or put back .*: 1 item that it had taken/)
  t.match((await here(['status', '--json'])).json, { pending: 0, remoteLost: false })
  const other = cliIn(folder, join(folder, 'other'), env)
  t.equal((await other(['get', 'p/cats:best', '--root', join(folder, 'got')])).code, 0)
})
