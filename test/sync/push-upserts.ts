import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loseAnswers } from '../../fixtures/lose-answers.js'
import { makeVersion, newId } from '../../fixtures/server/make-version.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import type { CommitItem } from '../../src/model/commit.js'
import { type OpenName, openVersionId } from '../../src/model/open-version-id.js'
import { acceptItems } from '../../src/store/accept-items.js'
import { finishVersion } from '../../src/store/finish-version.js'
import { openStore, type Store } from '../../src/store/store.js'
import { pushPending } from '../../src/sync/push.js'

const CATS = { entity: 'default', project: 'animals', name: 'cats' }
const URL = 'http://remote'

function openStores(t: Test) {
  const folder = t.testdir()
  const [local, served] = ['local', 'served'].map(name => openStore(join(folder, name)))
  t.teardown(async () => {
    await local!.close()
    await served!.close()
  })
  return { local: local!, served: served! }
}

/** Adds a part that is to be sent to the remote; its id. */
async function upsert(store: Store, open: OpenName, files: Record<string, string>) {
  const { version } = await makeVersion(store, files)
  const target = { remote: URL }
  const { distributedId } = open
  const bytes = { packs: [], objects: [] }
  await store.catalog.upsert({ logId: newId(), version, distributedId, target, ...bytes })
  return version.id
}

function finish(store: Store, open: OpenName, onConflict: 'error' | 'last' = 'error') {
  const options = { logId: newId(), aliases: ['best'], onConflict, target: { remote: URL } }
  return finishVersion(store, open, options)
}

t.test('lost answers: every part is in once, and the finish is answered the same', async t => {
  const { local, served } = openStores(t)
  const open = { ...CATS, distributedId: 'g' }
  for (let index = 0; index < 5; index += 1) await upsert(local, open, { [`${index}`]: `${index}` })
  await finish(local, open)
  const id = openVersionId(open)
  t.match(await local.catalog.getVersion(id), { state: 'closing', number: -1, fileCount: 5 })
  const remote = loseAnswers(openStoreRemote(served, URL))
  for (let pushes = 0; (await local.catalog.listPending()).items.length > 0; pushes += 1) {
    if (pushes > 10) throw new Error('the push brings nothing forward')
    await pushPending(local, () => remote)
  }
  t.match(await served.catalog.findOpen(open), { parts: 5, closed: true, finished: { number: 0 } })
  const { version } = await served.catalog.findVersion(CATS, { kind: 'alias', alias: 'best' })
  t.match(version, { id, number: 0, fileCount: 5, state: 'synced' })
  const here = await local.catalog.findVersion(CATS, { kind: 'alias', alias: 'best' })
  t.match(here, {
    version: { id, number: 0, state: 'synced', digest: version.digest },
    settled: true,
  })
  t.same((await local.catalog.listParts(open)).items, [])
})

t.test('the server checks what it is sent', async t => {
  const { served } = openStores(t)
  const { version } = await makeVersion(served, { a: 'a' })
  const item = (more: object): CommitItem =>
    ({ kind: 'upsert', logId: newId(), distributedId: 'g', version, ...more }) as CommitItem
  const accept = async (...items: CommitItem[]) => acceptItems(served, CATS, items)
  const refused = (code: string) => [{ status: 'refused', error: { code } }]
  t.match(await accept(item({ distributedId: 'a\0b' })), refused('INVALID_NAME'))
  t.match(await accept(item({ version: { ...version, size: 7 } })), refused('REQUEST_INVALID'))
  const close = {
    kind: 'finish',
    logId: newId(),
    distributedId: 'g',
    aliases: [],
    onConflict: 'error',
  }
  t.match(await accept(close as unknown as CommitItem), refused('VERSION_NOT_FOUND'))
  const lacking = {
    ...version,
    pieces: [{ ...version.pieces[0]!, digest: `xxh128:${'0'.repeat(32)}` }],
  }
  t.match(await accept(item({ version: lacking }), close as CommitItem), [
    { status: 'incomplete' },
    { status: 'waiting' },
  ])
  t.match(await accept(item({}), close as CommitItem), [
    { status: 'committed', id: version.id, number: 0 },
    { status: 'committed', id: openVersionId({ ...CATS, distributedId: 'g' }), number: 0 },
  ])
  t.match(await accept(close as CommitItem), [{ status: 'committed', number: 0 }])
  t.match(await accept(item({})), [{ status: 'committed' }], 'what is in is answered')
  const other = (await makeVersion(served, { b: 'b' })).version
  t.match(await accept(item({ version: other })), refused('ARTIFACT_FINALIZED'))
  const md5 = { ...close, logId: newId(), aliases: ['v1'] } as unknown as CommitItem
  t.match(await accept(md5), refused('INVALID_ALIAS'))
})

t.test('a late part stays after the index is built again, and holds nothing up', async t => {
  const { local, served } = openStores(t)
  const open = { ...CATS, distributedId: 'g' }
  const early = await makeVersion(served, { early: 'e' })
  await acceptItems(served, CATS, [
    { kind: 'upsert', logId: newId(), distributedId: 'g', version: early.version },
    { kind: 'finish', logId: newId(), distributedId: 'g', aliases: [], onConflict: 'error' },
  ])
  const late = await upsert(local, open, { late: 'l' })
  await finish(local, open)
  const remote = openStoreRemote(served, URL)
  const report = await pushPending(local, () => remote)
  t.match(report, {
    pending: 0,
    failed: [{ kind: 'upsert', id: late }],
    synced: [{ kind: 'finish' }],
  })
  t.equal(await local.catalog.getVersion(openVersionId(open)), null, 'the merged one is not here')
  t.match(await local.catalog.getVersion(late), { state: 'failed' })
  const home = local.home
  await local.close()
  rmSync(join(home, 'catalog'), { recursive: true })
  const again = openStore(home)
  t.teardown(() => again.close())
  t.match((await again.catalog.listPending()).items, [{ kind: 'upsert', versionId: late }])
  t.match(await again.catalog.getVersion(late), { id: late, fileCount: 1 })
  t.match(await again.catalog.findOpen(open), { closed: true, finished: { number: 0 } })
})
