import { join } from 'node:path'
import t from 'tap'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, init } from '../../src/index.js'

const { folder, home } = useHome(t)
const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
t.teardown(() => server.close())

async function log(content: string, options: { name?: string; remote?: string } = {}) {
  const { name = 'cats', remote } = options
  const run = await init({ project: 'p', ...(remote && { remote }) })
  const artifact = new Artifact({ name, type: 'dataset', metadata: { n: 1 } })
  await artifact.newFile('a.txt', content)
  const logged = run.logArtifact(artifact, { aliases: ['best'] })
  await logged.committed
  return { run, logged }
}

t.test('what was assigned is saved, offline, and nothing else', async t => {
  const { run, logged } = await log('a', { name: 'offline' })
  const journal = sharedStore(home).catalog
  const pending = async () =>
    (await journal.listPending()).items.filter(({ kind }) => kind === 'edit').length
  const before = await pending()
  await logged.save()
  logged.description = null
  logged.metadata = { n: 1 }
  logged.aliases = ['best', 'latest']
  await logged.save()
  t.equal(await pending(), before, 'nothing differs')

  logged.description = 'text'
  logged.metadata = { ...logged.metadata, m: [2] }
  logged.tags = ['t']
  logged.aliases = ['prod']
  t.same(logged.aliases, ['prod'], 'as assigned')
  t.equal((await run.useArtifact('offline:best')).description, null, 'and not saved')
  await logged.save()
  t.equal(await pending(), before + 1)
  const used = await run.useArtifact('offline:prod')
  const expected = { description: 'text', metadata: { n: 1, m: [2] }, tags: ['t'] }
  for (const version of [logged, used]) {
    t.match(version, { ...expected, aliases: ['latest', 'prod'], version: 'v0' })
  }
  await t.rejects(run.useArtifact('offline:best'), { code: 'VERSION_NOT_FOUND' })
})

t.test('what breaks a rule is refused at once', async t => {
  const { logged } = await log('a', { name: 'rules' })
  const assign = (values: object) => () => Object.assign(logged, values)
  t.throws(assign({ aliases: ['v3'] }), { code: 'INVALID_ALIAS' })
  t.throws(assign({ aliases: ['a/b'] }), { code: 'INVALID_ALIAS' })
  t.throws(assign({ tags: ['!'] }), { code: 'INVALID_TAG' })
  t.throws(assign({ metadata: { n: 1n } }), { code: 'INVALID_METADATA' })
  t.throws(assign({ description: 7 }), TypeError)
  const { run, logged: next } = await log('b', { name: 'rules' })
  const old = await run.useArtifact('rules:v0')
  old.aliases = ['latest']
  await t.rejects(old.save(), { code: 'INVALID_ALIAS' }, 'it is of the next version')
  t.same(next.aliases, ['best', 'latest'])
})

t.test('another store sees an edit, and edits what it has not fetched', async t => {
  const remote = server.url
  const { run, logged } = await log('a', { remote })
  logged.description = 'first'
  await logged.save()
  await logged.wait()
  const elsewhere = join(folder, 'elsewhere')
  t.teardown(() => sharedStore(elsewhere).close())
  const there = await init({ project: 'p', home: elsewhere, remote })
  const used = await there.useArtifact('cats:v0')
  t.match(used, { description: 'first', metadata: { n: 1 } })
  used.description = 'second'
  used.aliases = [...used.aliases, 'prod']
  await used.save()
  t.match(used, { description: 'second', aliases: ['best', 'latest', 'prod'] })
  await used.wait()
  t.match(await run.useArtifact('cats:prod'), { id: logged.id, description: 'second' })
  t.same((await sharedStore(elsewhere).catalog.listConflicts({})).items, [])
})
