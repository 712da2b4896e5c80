import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeDeletion } from '../../fixtures/catalog/delete-request.js'
import { giveAlias, makeEdit } from '../../fixtures/catalog/edit-request.js'
import { collectionOf, makeContent, newId } from '../../fixtures/catalog/log-request.js'
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
const byNumber = (number: number) => ({ kind: 'number' as const, number })

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

const numbersIn = async (store: Store) =>
  (await store.catalog.listVersions(cats)).items.map(({ number }) => number)

t.test('deletions go in order, and the version is gone elsewhere too', async t => {
  const { one, two, served, remote } = openMachines(t)
  const a = await logFiles(one, { 'a.txt': 'a' })
  const b = await logFiles(one, { 'a.txt': 'b' })
  await push(one, remote)
  await one.catalog.delete(makeDeletion([b.id], { target }))
  await logFiles(one, { 'a.txt': 'c' })
  const failing = loseAnswers(remote)
  const synced = []
  for (let left = 2; left > 0; ) {
    const report = await push(one, failing)
    synced.push(...report.synced)
    left = report.pending
  }
  t.match(synced, [
    { kind: 'delete', deleted: 1 },
    { kind: 'version', number: 2 },
  ])
  t.same(await numbersIn(served), [0, 2])
  t.same((await served.catalog.listRoots()).items.length, 2)
  const gone = { code: 'VERSION_DELETED', details: { id: b.id, number: 1 } }
  for (const store of [one, two]) await t.rejects(pull(store, remote, 'cats:v1'), gone)
  await t.rejects(pull(two, remote, `cats@${b.id}`), gone)
  t.equal((await pull(two, remote, 'cats:v0')).id, a.id)
})

t.test('what was deleted before it was sent is not sent, and keeps its number', async t => {
  const { one, served, remote } = openMachines(t)
  const a = await logFiles(one, { 'a.txt': 'a' }, { aliases: ['best'] })
  const b = await logFiles(one, { 'b.txt': 'b' })
  const deletion = makeDeletion([a.id], { target, deleteAliases: true })
  await one.catalog.delete(deletion)
  const report = await push(one, remote)
  t.match(report, { pending: 0, failed: [], errors: [] })
  t.same(await numbersIn(served), [1])
  t.equal((await one.catalog.getVersion(b.id))?.number, 1)
  await t.rejects(served.catalog.findVersion(cats, byNumber(0)), { code: 'VERSION_DELETED' })
  const best = { kind: 'alias' as const, alias: 'best' }
  await t.rejects(served.catalog.findVersion(cats, best), { code: 'VERSION_NOT_FOUND' })
})

t.test('a deletion while the version is on its way reaches the remote', async t => {
  const { one, served, remote } = openMachines(t)
  const { id } = await logFiles(one, { 'a.txt': 'a' })
  let deleted = false
  const racing: Remote = {
    ...remote,
    commit: async (...args: Parameters<Remote['commit']>) => {
      const answer = await remote.commit(...args)
      const [result] = answer.results
      if (!deleted && result?.status === 'committed') {
        deleted = true
        await one.catalog.delete(makeDeletion([id], { target }))
      }
      return answer
    },
  }
  await push(one, racing)
  t.match(await push(one, racing), { pending: 0, failed: [] })
  t.same(await numbersIn(served), [])
  t.match(await one.catalog.findDeleted([id]), [{ number: 0, settled: true }])
})

t.test('an alias that another machine gave keeps a version there', async t => {
  const { one, two, served, remote } = openMachines(t)
  const { id } = await logFiles(one, { 'a.txt': 'a' })
  await logFiles(one, { 'a.txt': 'b' })
  await push(one, remote)
  await pull(two, remote, 'cats:v0')
  await two.catalog.edit(makeEdit(id, giveAlias('best'), { target }))
  await push(two, remote)
  await one.catalog.delete(makeDeletion([id], { target }))
  const report = await push(one, remote)
  const conflict = { versionId: id, field: 'version', error: { code: 'VERSION_HAS_ALIASES' } }
  t.match(report, { pending: 0, failed: [], synced: [{ deleted: 0, conflicts: [conflict] }] })
  t.match((await one.catalog.listConflicts({})).items, [conflict])
  t.same(await numbersIn(served), [0, 1])
  t.equal((await pull(one, remote, 'cats:v0')).id, id, 'which then is here again')

  await one.catalog.delete(makeDeletion([id], { target, deleteAliases: true }))
  await push(one, remote)
  t.same(await numbersIn(served), [1])
  t.same((await one.catalog.listConflicts({})).items, [])
})

t.test('who changes what another deleted learns of it, and goes on', async t => {
  const { one, two, served, remote } = openMachines(t)
  const { id } = await logFiles(one, { 'a.txt': 'a' })
  await push(one, remote)
  await pull(two, remote, 'cats:v0')
  await one.catalog.delete(makeDeletion([id], { target }))
  await push(one, remote)
  await two.catalog.edit(makeEdit(id, giveAlias('best'), { target }))
  await two.catalog.edit(makeEdit(id, giveAlias('prod'), { target }))
  await logFiles(two, { 'a.txt': 'b' })
  const report = await push(two, remote)
  t.match(report, { pending: 0, failed: [], errors: [] })
  t.match(report.synced[0], {
    conflicts: [{ field: 'version', error: { code: 'VERSION_DELETED' } }],
  })
  await t.rejects(two.catalog.findVersion(cats, byNumber(0)), { code: 'VERSION_DELETED' })
  t.same(await numbersIn(served), [1])
  t.same(await numbersIn(two), [1])
})

t.test('10,000 versions are deleted in at most ten requests', async t => {
  const { one, served, remote } = openMachines(t)
  const ids: string[] = []
  await Promise.all(
    Array.from({ length: 10_000 }, async (_, index) => {
      const version = makeContent('cats', `${index}`)
      const bytes = { aliases: [], packs: [], objects: [] }
      ids.push((await served.catalog.log({ logId: newId(), version, ...bytes })).id)
    }),
  )
  for (let start = 0; start < ids.length; start += 1000) {
    await one.catalog.delete(makeDeletion(ids.slice(start, start + 1000), { target }))
  }
  const before = remote.calls.length
  const report = await push(one, remote)
  t.match(report, { pending: 0, failed: [] })
  t.ok(remote.calls.length - before <= 10, `${remote.calls.length - before}`)
  t.same(await numbersIn(served), [])
})
