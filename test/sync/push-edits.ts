import { join } from 'node:path'
import t, { type Test } from 'tap'
import { giveAlias, makeEdit, takeAlias } from '../../fixtures/catalog/edit-request.js'
import { collectionOf, newId } from '../../fixtures/catalog/log-request.js'
import { logFiles } from '../../fixtures/log-files.js'
import { loseAnswers } from '../../fixtures/lose-answers.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { parseArtifactName } from '../../src/model/reference-name.js'
import type { Remote } from '../../src/remote/remote.js'
import { openStore, type Store } from '../../src/store/store.js'
import { pullVersion } from '../../src/sync/pull.js'
import { pushPending } from '../../src/sync/push.js'
import { resolveVersion } from '../../src/sync/resolve.js'

const URL = 'http://remote'
const cats = collectionOf('cats')
const target = { remote: null }

function openMachines(t: Test) {
  const folder = t.testdir()
  const [one, two, served] = ['one', 'two', 'served'].map(name => openStore(join(folder, name)))
  t.teardown(() => Promise.all([one, two, served].map(store => store!.close())))
  const remote = openStoreRemote(served!, URL)
  return { one: one!, two: two!, served: served!, remote }
}

const push = (store: Store, remote: Remote) =>
  pushPending(store, () => remote, { defaultRemote: URL })

async function pull(store: Store, remote: Remote, text: string) {
  const name = parseArtifactName(text, { entity: 'default', project: 'p' })
  const found = await resolveVersion(store, remote, name)
  if (!found.local) await pullVersion(store, remote, found.remote!)
  return found.version
}

const holderOf = async (store: Store, alias: string) =>
  (await store.catalog.findVersion(cats, { kind: 'alias', alias })).version.number

t.test('edits go in order with the versions, in one request', async t => {
  const { one, served, remote } = openMachines(t)
  const a = await logFiles(one, { 'a.txt': 'a' }, { aliases: ['best'] })
  await push(one, remote)
  const edit = (id: string, change: Parameters<typeof makeEdit>[1]) =>
    one.catalog.edit(makeEdit(id, change, { target }))
  await edit(a.id, { description: { seen: null, to: 'one' } })
  const b = await logFiles(one, { 'a.txt': 'b' })
  await push(one, remote)
  await edit(b.id, giveAlias('best', a.id))
  await edit(b.id, { tags: { add: ['t'], remove: [] }, metadata: { seen: {}, to: { n: 1 } } })
  await edit(a.id, { description: { seen: 'one', to: 'two' } })
  const before = remote.calls.length
  const report = await push(one, remote)
  t.equal(remote.calls.length - before, 1)
  t.match(report.synced, [{ kind: 'edit' }, { kind: 'edit' }, { kind: 'edit' }])
  t.notOk(report.synced.some(({ conflicts }) => conflicts))
  t.match(await served.catalog.getVersion(a.id), { description: 'two', aliases: [] })
  const there = { tags: ['t'], metadata: { n: 1 }, aliases: ['best', 'latest'] }
  t.match(await served.catalog.getVersion(b.id), there)
})

t.test('lost answers: an alias that moved on does not move back', async t => {
  const { one, two, served, remote } = openMachines(t)
  const a = await logFiles(one, { 'a.txt': 'a' })
  const b = await logFiles(one, { 'a.txt': 'b' })
  await push(one, remote)
  await pull(two, remote, 'cats:v1')
  await one.catalog.edit(makeEdit(a.id, giveAlias('best'), { target }))
  const failing = loseAnswers(remote)
  t.match((await push(one, failing)).errors, [{ code: 'REMOTE_UNREACHABLE' }])
  t.equal(await holderOf(served, 'best'), 0)
  await two.catalog.edit(makeEdit(b.id, giveAlias('best', a.id), { target }))
  t.notOk((await push(two, remote)).synced[0]!.conflicts)
  t.match((await push(one, failing)).synced, [{ kind: 'edit' }])
  t.equal(await holderOf(served, 'best'), 1)
  t.same((await one.catalog.listPending()).items, [])
})

t.test('two machines edit offline: the later arrival wins, and learns of it', async t => {
  const { one, two, served, remote } = openMachines(t)
  const { id } = await logFiles(one, { 'a.txt': 'a' }, { aliases: ['best'] })
  const b = await logFiles(one, { 'a.txt': 'b' })
  await push(one, remote)
  for (const name of ['cats:v0', 'cats:v1']) await pull(two, remote, name)
  const change = (to: string) => ({ description: { seen: null, to } })
  await one.catalog.edit(makeEdit(id, change('of one'), { target }))
  await two.catalog.edit(makeEdit(id, change('of two'), { target }))
  await two.catalog.edit(makeEdit(id, takeAlias('best'), { target }))
  await one.catalog.edit(makeEdit(b.id, giveAlias('best', id), { target }))
  await push(one, remote)
  const report = await push(two, remote)
  t.match(report, { failed: [], pending: 0 })
  const conflicts = [
    { versionId: id, field: 'description', found: 'of one' },
    { versionId: id, field: 'alias', alias: 'best', found: 'v1' },
  ]
  t.match(
    report.synced.flatMap(item => item.conflicts ?? []),
    conflicts,
  )
  t.match((await two.catalog.listConflicts({})).items.length, 2)
  t.same((await one.catalog.listConflicts({})).items, [])
  t.equal((await served.catalog.getVersion(id))?.description, 'of two')
  t.equal(await holderOf(served, 'best'), 1)
  t.equal((await pull(one, remote, 'cats:latest')).id, b.id)
})

t.test('an alias that was taken away is not found, here and elsewhere', async t => {
  const { one, two, remote } = openMachines(t)
  const { id } = await logFiles(one, { 'a.txt': 'a' }, { aliases: ['best', 'prod'] })
  await push(one, remote)
  await pull(two, remote, 'cats:best')
  await one.catalog.edit(makeEdit(id, takeAlias('best'), { target }))
  const gone = { code: 'VERSION_NOT_FOUND' }
  await t.rejects(pull(one, remote, 'cats:best'), gone, 'before the remote knows')
  await push(one, remote)
  await t.rejects(pull(one, remote, 'cats:best'), gone)
  await t.rejects(pull(two, remote, 'cats:best'), gone)
  t.equal((await pull(two, remote, 'cats:prod')).id, id)
  t.same((await pull(two, remote, 'cats:v0')).aliases, ['latest', 'prod'])
})

t.test('an edit of content that the remote has under another id finds it', async t => {
  const { one, two, served, remote } = openMachines(t)
  const theirs = await logFiles(two, { 'a.txt': 'a' })
  await push(two, remote)
  const mine = await logFiles(one, { 'a.txt': 'a' })
  await one.catalog.edit(makeEdit(mine.id, giveAlias('best'), { target }))
  await push(one, remote)
  t.equal(await holderOf(served, 'best'), 0)
  // In another push nothing but the catalog knows.
  await one.catalog.edit(makeEdit(mine.id, giveAlias('prod'), { target }))
  t.match(await push(one, remote), { failed: [], synced: [{ kind: 'edit', id: mine.id }] })
  t.same((await served.catalog.getVersion(theirs.id))?.aliases, ['best', 'latest', 'prod'])
  t.same((await one.catalog.listConflicts({})).items, [])
})

t.test('an edit of what the remote does not have fails, and says so', async t => {
  const { one, remote } = openMachines(t)
  await logFiles(one, { 'a.txt': 'a' })
  await push(one, remote)
  const id = newId()
  await one.catalog.edit(makeEdit(id, giveAlias('best'), { target }))
  t.match(await push(one, remote), {
    failed: [{ kind: 'edit', id, error: { code: 'VERSION_NOT_FOUND' } }],
  })
})
