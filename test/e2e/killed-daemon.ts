import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { isSynced } from '../../fixtures/is-synced.js'
import { makeTree } from '../../fixtures/make-tree.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { startArtifactd } from '../../fixtures/start-artifactd.js'
import { useHome } from '../../fixtures/use-home.js'
import { waitUntil } from '../../fixtures/wait-until.js'

const { folder } = useHome(t)

t.test('artifactd that is killed again and again finishes a tree of 20,000 files', async t => {
  const tree = join(folder, 'tree')
  makeTree(tree, 20_000)
  const home = join(folder, 'home-killed')
  const data = join(folder, 'data-killed')
  const server = await serveProcess(t, data)
  const env = { ARTIFACT_REMOTE: server.url }
  const cli = cliIn(folder, home, env)
  t.match((await cli(['put', 'tree', '-n', 'p/tree', '--json'])).json, { fileCount: 20_001 })

  const states = new Set<string>()
  let kills = 0
  for (const pause of [0, 100, 300, 700, 1500]) {
    const { child, ended, sees } = startArtifactd(t, home, env)
    await sees(/artifactd started/)
    await sleep(pause)
    const { json, code } = await cli(['status', '--json'])
    t.equal(code, 0, 'status answers meanwhile')
    t.equal(json.failed, 0)
    for (const { state } of json.versions) states.add(state)
    child.kill('SIGKILL')
    if ((await ended).signal === 'SIGKILL') kills += 1
  }
  t.equal(kills, 5)
  t.ok(states.size > 0, 'there was something left to do')
  t.same(
    [...states].filter(state => state !== 'pending' && state !== 'syncing'),
    [],
  )

  startArtifactd(t, home, env)
  await waitUntil(() => isSynced(cli))
  t.match((await cli(['ls', '--json'])).json, [{ version: 'v0', state: 'synced' }])
  const other = cliIn(folder, join(folder, 'home-killed-other'), env)
  t.equal((await other(['get', 'p/tree', '--root', 'tree-out', '--json'])).json.version, 'v0')
  t.same(hashTree(join(folder, 'tree-out')), hashTree(tree))
})
