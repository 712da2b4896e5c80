import { join } from 'node:path'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, init } from '../../src/index.js'

const { folder, home } = useHome(t)
const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
t.teardown(() => server.close())

/** Logs a version with one file, from the store at `at`. */
async function log(at: string, name: string) {
  const run = await init({ project: 'p', home: at, remote: server.url })
  const artifact = new Artifact({ name: 'cats', type: 'dataset', home: at })
  await artifact.newFile(name, name)
  return { run, logged: run.logArtifact(artifact) }
}

t.test('offline a name means what the store has, which says how fresh that is', async t => {
  const elsewhere = join(folder, 'elsewhere')
  t.teardown(() => sharedStore(elsewhere).close())
  const first = await log(elsewhere, 'first.txt')
  await first.logged.wait()

  const online = await init({ project: 'p', remote: server.url })
  const used = await online.useArtifact('cats:latest')
  t.same(await listEntries(used), ['first.txt'])
  t.match(used.resolution, { resolved: 'remote', asOf: /^\d{4}-/ })

  const second = await log(elsewhere, 'second.txt')
  await second.logged.wait()
  const offline = await init({ project: 'p', remote: server.url, mode: 'offline' })
  const old = await offline.useArtifact('cats:latest')
  const { resolved, asOf } = old.resolution!
  t.equal(resolved, 'local')
  t.ok(asOf! >= used.resolution!.asOf!, 'the pull came after the answer')
  t.equal(old.version, 'v0')
  t.same(await listEntries(old), ['first.txt'])
  const newer = await online.useArtifact('cats:latest')
  t.match(newer, { version: 'v1', resolution: { resolved: 'remote' } })
})

t.test('what was logged a moment ago can be used at once, whatever the remote has', async t => {
  const { run, logged } = await log(home, 'third.txt')
  await logged.committed
  const used = await run.useArtifact('cats')
  t.equal(used.id, logged.id)
  t.match(used, { state: 'pending', resolution: { resolved: 'local', asOf: null } })
  t.same(await listEntries(used), ['third.txt'])
})
