import { join } from 'node:path'
import t from 'tap'
import { makeTree } from '../../fixtures/make-tree.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { startArtifactd } from '../../fixtures/start-artifactd.js'
import { useHome } from '../../fixtures/use-home.js'
import { waitUntil } from '../../fixtures/wait-until.js'

const { folder } = useHome(t)

t.test('status says what is on its way', async t => {
  makeTree(join(folder, 'tree'), 20_000)
  const home = join(folder, 'home-status')
  const data = join(folder, 'data-status')
  const server = await serveProcess(t, data)
  const env = { ARTIFACT_REMOTE: server.url }
  const cli = cliIn(folder, home, env)
  await cli(['put', 'tree', '-n', 'p/tree'])
  t.match((await cli(['status', '--json'])).json, { pending: 1, versions: [{ state: 'pending' }] })
  startArtifactd(t, home, env)
  const seen: string[] = []
  await waitUntil(async () => {
    const { code, json } = await cli(['status', '--json'])
    if (code !== 0) throw new Error('status failed')
    const [version] = json.versions
    if (!version) return true
    seen.push(version.state)
    if (version.state === 'syncing') {
      t.type(version.progress.bytesSent, 'number')
      t.type(version.progress.bytesTotal, 'number')
    }
    return false
  })
  t.same(
    seen.filter(state => !['pending', 'syncing'].includes(state)),
    [],
  )
  t.match((await cli(['status', '--json'])).json, { pending: 0, daemon: true })
})
