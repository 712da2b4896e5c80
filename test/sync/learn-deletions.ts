import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeDeletion } from '../../fixtures/catalog/delete-request.js'
import { logFiles } from '../../fixtures/log-files.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { openStore, type Store } from '../../src/store/store.js'
import { cleanStore } from '../../src/sync/clean-store.js'
import { learnDeletions } from '../../src/sync/learn-deletion.js'
import { pullVersion } from '../../src/sync/pull.js'
import { pushPending } from '../../src/sync/push.js'
import { resolveVersion } from '../../src/sync/resolve.js'

const URL = 'http://remote'
const LARGE = 300_000

/** Two machines that have the same two versions, of which the first deletes one, and the remote. */
async function deleteOne(t: Test) {
  const folder = t.testdir()
  const [one, two, served] = ['one', 'two', 'served'].map(name => openStore(join(folder, name)))
  t.teardown(() => Promise.all([one, two, served].map(store => store!.close())))
  const remote = openStoreRemote(served!, URL)
  const push = () => pushPending(one!, () => remote, { defaultRemote: URL })
  const kept = await logFiles(one!, { a: seededBytes('a', LARGE) })
  const gone = await logFiles(one!, { a: seededBytes('b', LARGE) })
  await push()
  for (const { id } of [kept, gone]) {
    const found = await find(two!, remote, id)
    await pullVersion(two!, remote, found.remote!)
  }
  await one!.catalog.delete(makeDeletion([gone.id], { target: { remote: null } }))
  await push()
  return { two: two!, remote, kept: kept.id, gone: gone.id }
}

const find = (store: Store, remote: ReturnType<typeof openStoreRemote>, id: string) =>
  resolveVersion(store, remote, {
    ...{ entity: 'default', project: 'p', name: 'cats', selector: { kind: 'id', id } },
  })

t.test('eviction for a limit frees what was deleted elsewhere too', async t => {
  const { two, remote, kept, gone } = await deleteOne(t)
  const planned = await cleanStore(two, { limit: 0, remote, dryRun: true })
  t.same(
    planned.evicted.map(({ id }) => id),
    [kept],
  )
  t.ok(await two.catalog.getVersion(gone), 'a dry run changes nothing')
  const { bytesAfter, evicted } = await cleanStore(two, { limit: 0, remote })
  t.same(
    evicted.map(({ id }) => id),
    [kept],
  )
  t.ok(bytesAfter < LARGE, `${bytesAfter}`)
  t.match(await two.catalog.findDeleted([kept, gone]), [null, { id: gone, number: 1 }])
})

t.test('whoever fetches an evicted version learns that it is deleted', async t => {
  const { two, remote, gone } = await deleteOne(t)
  await two.catalog.evict([gone])
  await t.rejects(find(two, remote, gone), { code: 'VERSION_DELETED' })
  t.match(await two.catalog.findDeleted([gone]), [{ id: gone }])
})

t.test('many are asked about at once', async t => {
  const { two, remote, kept, gone } = await deleteOne(t)
  const others = Array.from({ length: 5000 }, (_, index) => index.toString(16).padStart(32, '0'))
  const versions = [...others, kept, gone].map(id => ({
    ...{ entity: 'default', project: 'p', name: 'cats', id },
  }))
  const before = remote.calls.length
  t.same([...(await learnDeletions(two, remote, { versions }))], [gone])
  t.equal(remote.calls.length - before, 2)
  t.equal(await two.catalog.getVersion(gone), null)
})
