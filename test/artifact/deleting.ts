import { join } from 'node:path'
import t from 'tap'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, init } from '../../src/index.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'

const { folder } = useHome(t)
const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
t.teardown(() => server.close())

async function log(content: string, options: { name?: string; remote?: string } = {}) {
  const { name = 'cats', remote } = options
  const run = await init({ project: 'p', ...(remote && { remote }) })
  const artifact = new Artifact({ name, type: 'dataset' })
  await artifact.newFile('a.txt', content)
  const logged = run.logArtifact(artifact)
  await logged.committed
  return { run, logged }
}

t.test('a version is deleted offline, but not while an alias needs it', async t => {
  const { run, logged: first } = await log('a', { name: 'offline' })
  const { logged } = await log('b', { name: 'offline' })
  logged.aliases = ['best']
  await logged.save()
  await t.rejects(logged.delete(), { code: 'VERSION_HAS_ALIASES' })
  const draft = await logged.newDraft()
  await logged.delete({ deleteAliases: true })
  await logged.delete()
  const gone = { code: 'VERSION_DELETED', details: { id: logged.id, number: 1 } }
  await t.rejects(run.useArtifact('offline:v1'), gone)
  logged.description = 'too late'
  await t.rejects(logged.save(), gone)
  await t.rejects(logged.newDraft(), gone)
  await draft.newFile('b.txt', 'b')
  await t.rejects(run.logArtifact(draft).committed, gone, 'nor a draft from before')
  t.equal((await run.useArtifact('offline:latest')).id, first.id)
  t.equal((await log('c', { name: 'offline' })).logged.version, 'v2')
})

t.test('it is gone on the remote and elsewhere, and lineage tells it', async t => {
  const remote = server.url
  const { run, logged } = await log('a', { remote })
  const { logged: next } = await log('b', { remote })
  await next.wait()
  const elsewhere = join(folder, 'elsewhere')
  t.teardown(() => sharedStore(elsewhere).close())
  const there = await init({ project: 'p', home: elsewhere, remote })
  const used = await there.useArtifact('cats:v1')
  await used.delete()
  await used.wait()
  const gone = { code: 'VERSION_DELETED', details: { id: next.id } }
  await t.rejects(there.useArtifact('cats:v1'), gone)
  t.equal((await run.useArtifact('cats:latest')).id, logged.id)
  const { items } = await sharedStore(elsewhere).catalog.listEdges([
    { role: 'input', versionId: next.id },
  ])
  t.match(items, [{ version: { number: 1, state: 'deleted' }, run: { id: there.id } }])
})

t.test('the run that logged what was never sent is told of all the same', async t => {
  const remote = server.url
  const { run, logged } = await log('a', { name: 'unsent', remote })
  await logged.delete()
  const { logged: next } = await log('b', { name: 'unsent', remote })
  await next.wait()
  const query = { role: 'output' as const, run: { id: run.id, project: 'p' } }
  const { items } = await openHttpRemote({ url: remote }).listEdges('default', [query])
  t.match(items, [{ version: { id: logged.id, number: 0, state: 'deleted' } }])
})
