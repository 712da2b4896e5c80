import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isSynced } from '../../fixtures/is-synced.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { startArtifactd } from '../../fixtures/start-artifactd.js'
import { useHome } from '../../fixtures/use-home.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { Artifact, init } from '../../src/index.js'

const { folder } = useHome(t)
const write = (name: string, content: string) => writeFileSync(join(folder, name), content)

t.test('put starts artifactd, which syncs, and daemon stop ends it', async t => {
  const server = await serveProcess(t, join(folder, 'data-auto'))
  const home = join(folder, 'home-auto')
  const env = { ARTIFACT_REMOTE: server.url, ARTIFACT_DAEMON: 'auto' }
  const cli = cliIn(folder, home, env)
  t.teardown(() => cli(['daemon', 'stop']))
  write('a.txt', 'started by put')
  const put = await cli(['put', 'a.txt', '-n', 'p/a'])
  t.match(put.stdout, /artifactd sends it to http.* in the background/)
  await waitUntil(() => isSynced(cli))
  t.match((await cli(['status', '--json'])).json, { daemon: true, reachable: true, versions: [] })
  const { pid } = (await cli(['daemon', 'status', '--json'])).json
  t.match((await cli(['daemon', 'start', '--json'])).json, { started: false, pid })

  write('a.txt', 'the second time')
  await cli(['put', 'a.txt', '-n', 'p/a'])
  await waitUntil(() => isSynced(cli))
  t.equal((await cli(['daemon', 'status', '--json'])).json.pid, pid, 'one is enough')
  t.match((await cli(['show', 'p/a', '--json'])).json, { version: 'v1', state: 'synced' })

  t.match((await cli(['daemon', 'stop', '--json'])).json, { stopped: true })
  t.equal((await cli(['daemon', 'status'])).code, 1)
  t.ok(existsSync(join(home, 'artifactd.log')))
  write('a.txt', 'the third time')
  t.match((await cli(['put', 'a.txt', '-n', 'p/a', '--wait', '--json'])).json, { state: 'synced' })
})

t.test('the library hands over to artifactd, or waits', async t => {
  const server = await serveProcess(t, join(folder, 'data-library'))
  const home = join(folder, 'home-library')
  const env = { ARTIFACT_REMOTE: server.url }
  const cli = cliIn(folder, home, env)
  startArtifactd(t, home, env)
  const run = await init({ project: 'p', home, remote: server.url })
  for (let index = 0; index < 10; index += 1) {
    const artifact = new Artifact({ name: 'race', type: 'dataset', metadata: { index }, home })
    void artifact.newFile('index', `${index}`)
    run.logArtifact(artifact)
  }
  await run.finish({ wait: true })
  t.equal((await cli(['status', '--json'])).json.pending, 0)
  const other = cliIn(folder, join(folder, 'home-library-other'), env)
  for (const index of [0, 4, 9]) {
    const shown = (await other(['show', `p/race:v${index}`, '--json'])).json
    t.same(shown.metadata, { index }, 'the server has them in the order of the calls')
  }
  const saved = new Artifact({ name: 'saved', type: 'dataset', home })
  process.env.ARTIFACT_REMOTE = server.url
  t.teardown(() => {
    delete process.env.ARTIFACT_REMOTE
  })
  const logged = await saved.save({ project: 'p' })
  await logged.wait()
  t.equal(logged.state, 'synced')
  await saved.store.close()
})

t.test('puts beside a running artifactd keep their order', async t => {
  const server = await serveProcess(t, join(folder, 'data-beside'))
  const home = join(folder, 'home-beside')
  const env = { ARTIFACT_REMOTE: server.url }
  const cli = cliIn(folder, home, env)
  startArtifactd(t, home, env)
  const put = async (name: string) => {
    const ids: string[] = []
    for (let number = 0; number < 4; number += 1) {
      write(`${name}.txt`, `${name} ${number}`)
      const { code, json, stderr } = await cli(['put', `${name}.txt`, '-n', 'p/shared', '--json'])
      t.equal(code, 0, stderr)
      ids.push(json.id)
    }
    return ids
  }
  const [one, two] = await Promise.all([put('one'), put('two')])
  await waitUntil(() => isSynced(cli))
  const listed = (await cliIn(folder, join(folder, 'home-beside-other'), env)(['ls', '--json']))
    .json
  t.equal(listed.length, 8)
  for (const ids of [one, two]) {
    const order = listed
      .map(({ id }: { id: string }) => id)
      .filter((id: string) => ids.includes(id))
    t.same(order, ids)
  }
})
