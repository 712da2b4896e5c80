import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeVersion, newId } from '../../fixtures/server/make-version.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { ArtifactError } from '../../src/errors.js'
import type { EdgeQuery } from '../../src/model/lineage.js'
import type { RunInfo } from '../../src/model/version.js'
import type { Remote } from '../../src/remote/remote.js'
import { acceptItems } from '../../src/store/accept-items.js'
import { openStore, type Store } from '../../src/store/store.js'
import { EdgeFinder } from '../../src/sync/edge-finder.js'
import { pushPending } from '../../src/sync/push.js'

const CATS = { entity: 'default', project: 'animals', name: 'cats' }
const URL = 'http://remote'
const RUN: RunInfo = { id: 'r1', project: 'q', jobType: 'train' }
const target = { remote: URL }

function openStores(t: Test) {
  const folder = t.testdir()
  const [local, other, served] = ['local', 'other', 'served'].map(name =>
    openStore(join(folder, name)),
  )
  t.teardown(() => Promise.all([local!.close(), other!.close(), served!.close()]))
  return { local: local!, other: other!, served: served! }
}

async function log(store: Store, content: string, run: RunInfo | null = null): Promise<string> {
  const { version } = await makeVersion(store, { 'a.txt': content })
  const answer = await store.catalog.log({
    ...{ logId: newId(), version: { ...version, run }, aliases: [], target },
    ...{ packs: [], objects: [] },
  })
  return answer.id
}

function use(store: Store, versionId: string, run = RUN) {
  const version = { ...CATS, id: versionId, type: 'dataset' }
  return store.catalog.use({ logId: newId(), run, version, target })
}

async function listRuns({ catalog }: Store, ...queries: EdgeQuery[]): Promise<string[]> {
  return (await catalog.listEdges(queries)).items.map(
    ({ run, version }) => `${run.id} ${version.id}`,
  )
}

/** Remembers the kinds of what is sent, and loses every other answer. */
function loseAnswers(remote: Remote): Remote & { sent: string[][] } {
  const sent: string[][] = []
  return {
    ...remote,
    url: URL,
    sent,
    async commit(...args) {
      sent.push(args[1].map(({ kind }) => kind))
      const answer = await remote.commit(...args)
      if (sent.length % 2 === 1)
        throw new ArtifactError('REMOTE_UNREACHABLE', 'the answer was lost')
      return answer
    },
  }
}

t.test('uses are sent behind their versions; lost answers record nothing twice', async t => {
  const { local, served } = openStores(t)
  const first = await log(local, 'one', RUN)
  await use(local, first)
  const second = await log(local, 'two')
  await use(local, second)
  await use(local, first, { ...RUN, id: 'r2' })
  await log(local, 'two', { ...RUN, id: 'r3' })
  const remote = loseAnswers(openStoreRemote(served, URL))
  for (let pushes = 0; (await local.catalog.listPending()).items.length > 0; pushes += 1) {
    if (pushes > 10) throw new Error('the push brings nothing forward')
    const { failed } = await pushPending(local, () => remote)
    t.same(failed, [])
  }
  t.same(remote.sent[0], ['version', 'use', 'version', 'use', 'use', 'alias'])
  const inputs = [`r1 ${first}`, `r2 ${first}`, `r1 ${second}`]
  const ofVersion = (role: 'input' | 'output', versionId: string) => ({ role, versionId })
  t.same(await listRuns(served, ofVersion('input', first), ofVersion('input', second)), inputs)
  t.same(await listRuns(served, ofVersion('output', first)), [`r1 ${first}`])
  t.same(await listRuns(served, ofVersion('output', second)), [`r3 ${second}`])
})

t.test('a version that the remote has under another id has the lineage of both', async t => {
  const { local, other, served } = openStores(t)
  const remote = openStoreRemote(served, URL)
  const theirs = await log(other, 'same', { ...RUN, id: 'theirs' })
  await pushPending(other, () => remote)
  const mine = await log(local, 'same', { ...RUN, id: 'mine' })
  t.not(mine, theirs)
  await pushPending(local, () => remote)
  await use(local, mine, { ...RUN, id: 'later' })
  const { failed } = await pushPending(local, () => remote)
  t.same(failed, [])
  t.same(await listRuns(served, { role: 'input', versionId: theirs }), [`later ${theirs}`])
  t.same((await listRuns(served, { role: 'output', versionId: theirs })).sort(), [
    `mine ${theirs}`,
    `theirs ${theirs}`,
  ])

  await use(local, mine, { ...RUN, id: 'pending' })
  const finder = new EdgeFinder(local, remote, { entity: 'default' })
  t.equal(await finder.findId(mine), theirs)
  const edges = await finder.find([{ role: 'input', versionId: theirs }])
  t.same(edges.map(({ run, version }) => `${run.id} ${version.id}`).sort(), [
    `later ${theirs}`,
    `pending ${theirs}`,
  ])
})

t.test('a use of what the remote does not have stays here and holds nothing up', async t => {
  const { local, served } = openStores(t)
  const remote = openStoreRemote(served, URL)
  const nowhere = newId()
  await use(local, nowhere)
  const here = await log(local, 'here')
  const { failed, pending, leftOut } = await pushPending(local, () => remote)
  t.same({ failed, pending, leftOut }, { failed: [], pending: 0, leftOut: 1 })
  t.same((await local.catalog.listPending()).items, [])
  t.ok(await served.catalog.getVersion(here))
  t.same(await listRuns(served, { role: 'input', run: RUN }), [])
  t.same(await listRuns(local, { role: 'input', run: RUN }), [`r1 ${nowhere}`])
})

t.test('runs with names that no key can hold are refused', async t => {
  const { served } = openStores(t)
  const versionId = newId()
  const wrong = [
    { ...RUN, id: 'a\0b' },
    { ...RUN, project: 'a/b' },
  ]
  for (const run of wrong) {
    const results = await acceptItems(served, CATS, [
      { kind: 'use', logId: newId(), versionId, run },
    ])
    t.match(results, [{ status: 'refused', error: { code: 'INVALID_NAME' } }])
    const alias = { kind: 'alias' as const, logId: newId(), versionId, aliases: [], run }
    t.match(await acceptItems(served, CATS, [alias]), [
      { status: 'refused', error: { code: 'INVALID_NAME' } },
    ])
  }
})

t.test('a remote that fails while it is asked leaves what the store knows', async t => {
  const { local, served } = openStores(t)
  const id = await log(local, 'one')
  await use(local, id)
  const queries: EdgeQuery[] = [{ role: 'input', versionId: id }]
  const find = async (before: () => Promise<void>) => {
    const remote = openStoreRemote(served, URL, { before })
    const finder = new EdgeFinder(local, remote, { entity: 'default' })
    return { edges: (await finder.find(queries)).length, resolved: finder.resolved }
  }
  t.same(await find(async () => {}), { edges: 1, resolved: 'remote' })
  const away = () => Promise.reject(new ArtifactError('REMOTE_UNREACHABLE', 'away'))
  t.same(await find(away), { edges: 1, resolved: 'local' })
  const refusing = () => Promise.reject(new ArtifactError('REMOTE_UNAUTHORIZED', 'no'))
  await t.rejects(find(refusing), { code: 'REMOTE_UNAUTHORIZED' })
})
