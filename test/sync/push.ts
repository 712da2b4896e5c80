import { chmodSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { openStoreRemote, type StoreRemoteOptions } from '../../fixtures/store-remote.js'
import { ArtifactError } from '../../src/errors.js'
import { packPath } from '../../src/model/home.js'
import { openStore } from '../../src/store/store.js'
import { type PushOptions, pushPending } from '../../src/sync/push.js'
import type { SyncEvent } from '../../src/sync/sync-report.js'

const URL = 'http://remote.test'

function openPair(test: Test, options: StoreRemoteOptions = {}) {
  const folder = test.testdir({})
  const here = openStore(join(folder, 'here'))
  const there = openStore(join(folder, 'there'))
  test.teardown(() => Promise.all([here.close(), there.close()]))
  const remote = openStoreRemote(there, URL, options)
  const push = (more: PushOptions = {}) =>
    pushPending(here, () => remote, { defaultRemote: URL, ...more })
  const sent = () => remote.calls.flatMap(({ call, records }) => (call === 'send' ? records : []))
  return { folder, here, there, remote, push, sent }
}

const cats = { entity: 'default', project: 'p', name: 'cats' }

t.test('versions reach the remote in the order in which they were logged', async t => {
  const { here, there, push } = openPair(t)
  const logged: string[] = []
  for (let n = 0; n < 10; n++) logged.push((await logFiles(here, { 'n.txt': `${n}` })).id)

  const report = await push()

  t.same(
    report.synced.map(({ id, number }) => [id, number]),
    logged.map((id, n) => [id, n]),
  )
  t.equal(report.pending, 0)
  const { items } = await there.catalog.listVersions(cats)
  t.same(
    items.map(({ id }) => id),
    logged,
  )
  t.same(
    items.map(({ number }) => number),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  t.same(
    (await here.catalog.listVersions(cats)).items.map(({ state }) => state),
    Array(10).fill('synced'),
  )
  t.same(await here.catalog.listPending(), { items: [] })
})

t.test('unchanged bytes are not sent again, and nothing new takes one request', async t => {
  const { here, remote, push, sent } = openPair(t)
  await logFiles(here, { 'a.txt': 'same', 'b.txt': 'one', 'copy.txt': 'same' })
  const first = await push()
  t.equal(first.sentBlobs, 2)

  await logFiles(here, { 'a.txt': 'same', 'b.txt': 'two', 'copy.txt': 'same' })
  const second = await push()
  t.equal(second.sentBlobs, 1, 'only the changed file travels')
  t.equal(second.skippedBytes, 8)

  const all = sent()
  t.equal(new Set(all).size, all.length, 'no record was sent twice')

  const before = remote.calls.length
  await logFiles(
    here,
    { 'a.txt': 'same', 'b.txt': 'two', 'copy.txt': 'same' },
    { aliases: ['best'] },
  )
  const third = await push()
  t.same(
    third.synced.map(({ kind, number }) => [kind, number]),
    [['alias', 1]],
  )
  await logFiles(here, { 'a.txt': 'same', 'b.txt': 'two', 'copy.txt': 'same' }, { name: 'dogs' })
  const fourth = await push()
  t.equal(fourth.requests, 1)
  t.equal(fourth.sentBytes, 0)
  t.same(
    remote.calls.slice(before).map(({ call }) => call),
    ['commit', 'commit'],
  )
})

t.test('collections that share a blob send it once', async t => {
  const { here, push, sent } = openPair(t)
  for (let n = 0; n < 8; n++) {
    await logFiles(here, { 'shared.bin': 'x'.repeat(1000), 'own.txt': `${n}` }, { name: `c${n}` })
  }
  const report = await push()
  t.equal(report.synced.length, 8)
  t.equal(report.sentBlobs, 9)
  t.equal(new Set(sent()).size, sent().length)
})

t.test('a refused item holds back its collection, and no other', async t => {
  const { here, there, push } = openPair(t)
  await logFiles(there, { 'x.txt': 'x' }, { type: 'model' })
  await logFiles(here, { 'a.txt': 'a' })
  await logFiles(here, { 'a.txt': 'b' })
  await logFiles(here, { 'a.txt': 'a' }, { name: 'dogs' })

  const report = await push()
  t.same(
    report.failed.map(({ name, error }) => [name, error.code]),
    [['cats', 'TYPE_CONFLICT']],
  )
  t.same(
    report.synced.map(({ name }) => name),
    ['dogs'],
  )
  t.equal(report.pending, 1)
  const { items } = await here.catalog.listVersions(cats)
  t.same(
    items.map(({ state }) => state),
    ['failed', 'pending'],
  )

  const again = await push()
  t.equal(again.requests, 0, 'what failed is not tried again by itself')
  t.equal(again.failed.length, 1)
  t.equal(again.pending, 1)

  const retried = await push({ retryFailed: true })
  t.same(
    retried.failed.map(({ error }) => error.code),
    ['TYPE_CONFLICT'],
  )
  t.equal(retried.requests > 0, true)
})

t.test('an outage leaves everything pending, and the next push goes on', async t => {
  let down = true
  const { here, there, push, sent } = openPair(t, {
    before: call => {
      if (down && call === 'send') throw new ArtifactError('REMOTE_UNREACHABLE', 'cut')
    },
  })
  await logFiles(here, { 'a.txt': 'a' })
  await logFiles(here, { 'a.txt': 'b' })
  const report = await push()
  t.same(
    report.errors.map(({ code }) => code),
    ['REMOTE_UNREACHABLE'],
  )
  t.equal(report.pending, 2)
  t.equal(report.failed.length, 0)
  t.same((await there.catalog.listVersions(cats)).items, [])

  down = false
  const next = await push()
  t.same(
    next.synced.map(({ number }) => number),
    [0, 1],
  )
  t.equal(new Set(sent()).size, sent().length)
})

t.test('a lost answer of a commit does not make a second version', async t => {
  let lose = false
  const pair = openPair(t)
  const { here, there, remote } = pair
  const commit = remote.commit.bind(remote)
  remote.commit = async (...args) => {
    const answer = await commit(...args)
    if (lose && answer.results.every(({ status }) => status === 'committed')) {
      throw new ArtifactError('REMOTE_UNREACHABLE', 'cut')
    }
    return answer
  }
  lose = true
  await logFiles(here, { 'a.txt': 'a' }, { aliases: ['best'] })
  t.equal((await pair.push()).pending, 1)
  lose = false
  const report = await pair.push()
  t.same(
    report.synced.map(({ number }) => number),
    [0],
  )
  t.equal((await there.catalog.listVersions(cats)).items.length, 1)
})

t.test('a broken remote that always asks for more is given up', async t => {
  const { here, push, remote } = openPair(t)
  const { id } = await logFiles(here, { 'a.txt': 'a' })
  const { pieces } = (await here.catalog.getVersion(id))!
  remote.commit = async () => ({
    storeId: 'x',
    results: [{ status: 'incomplete', pieces: pieces.map(({ digest }) => digest) }],
  })
  const report = await push()
  t.same(
    report.errors.map(({ code }) => code),
    ['REMOTE_INVALID'],
  )
  t.equal(report.pending, 1)
})

t.test('a digest that the remote does not take is refused before anything is sent', async t => {
  const { here, push, sent } = openPair(t, { digests: ['sha256'] })
  await logFiles(here, { 'a.txt': 'a' })
  const report = await push()
  t.same(
    report.failed.map(({ error }) => error.code),
    ['DIGEST_NOT_ACCEPTED'],
  )
  t.same(sent(), [])
})

t.test('a blob that is damaged fails its version; those before it are synced', async t => {
  const { folder, here, push } = openPair(t)
  await logFiles(here, { 'a.txt': 'first' })
  await logFiles(here, { 'a.txt': 'second' })
  const third = await logFiles(here, { 'a.txt': 'third' })
  const { version } = await here.catalog.findVersion(cats, { kind: 'number', number: 1 })
  const [place] = await here.catalog.locate([{ kind: 'piece', digest: version.pieces[0]!.digest }])
  if (place?.in !== 'pack') throw new Error('a piece lies in a pack')
  const path = packPath(join(folder, 'here'), place.packId)
  chmodSync(path, 0o600)
  truncateSync(path, 64)

  const report = await push()
  t.same(
    report.synced.map(({ number }) => number),
    [0],
  )
  t.same(
    report.failed.map(({ error }) => error.code),
    ['BLOB_MISSING'],
    'once it was moved aside',
  )
  t.equal(report.pending, 1)
  t.equal((await here.catalog.getVersion(third.id))?.state, 'pending')
})

t.test('aliases follow a version that the remote knows under another id', async t => {
  const { here, there, push } = openPair(t)
  const theirs = await logFiles(there, { 'a.txt': 'a' })
  const ours = await logFiles(here, { 'a.txt': 'a' })
  const report = await push()
  t.match(report.synced, [{ id: ours.id, remoteId: theirs.id, number: 0, unchanged: true }])

  // Logged again here: only aliases move, by the id that it has here.
  await logFiles(here, { 'a.txt': 'a' }, { aliases: ['best'] })
  const moved = await push()
  t.same(moved.failed, [])
  t.match(moved.synced, [{ kind: 'alias', number: 0 }])
  const best = await there.catalog.findVersion(cats, { kind: 'alias', alias: 'best' })
  t.equal(best.version.id, theirs.id)
})

t.test('items go to the remote that they were logged for', async t => {
  const folder = t.testdir({})
  const here = openStore(join(folder, 'here'))
  const one = openStore(join(folder, 'one'))
  const two = openStore(join(folder, 'two'))
  t.teardown(() => Promise.all([here, one, two].map(store => store.close())))
  const remotes = new Map([
    ['http://one.test', openStoreRemote(one, 'http://one.test')],
    ['http://two.test', openStoreRemote(two, 'http://two.test')],
  ])
  await logFiles(here, { 'a.txt': 'a' }, { remote: 'http://one.test', name: 'a' })
  await logFiles(here, { 'b.txt': 'b' }, { remote: 'http://two.test/', name: 'b' })
  await logFiles(here, { 'c.txt': 'c' }, { name: 'c' })
  await logFiles(here, { 'd.txt': 'd' }, { remote: 'nonsense', name: 'd' })

  const report = await pushPending(here, url => remotes.get(url)!)
  t.same(report.synced.map(({ name }) => name).sort(), ['a', 'b'])
  t.equal(report.pending, 2, 'without a remote it stays pending')
  t.same(
    report.errors.map(({ code }) => code),
    ['INVALID_CONFIG'],
  )
  t.same(
    (await one.catalog.listVersions({})).items.map(({ name }) => name),
    ['a'],
  )
  t.same(
    (await two.catalog.listVersions({})).items.map(({ name }) => name),
    ['b'],
  )
})

t.test('thousands of files take few requests', async t => {
  const { here, push } = openPair(t)
  const files = Object.fromEntries(
    Array.from({ length: 12_000 }, (_, n) => [`folder/${n % 100}/file-${n}.txt`, `content ${n}`]),
  )
  await logFiles(here, files)
  const events: SyncEvent[] = []
  const report = await push({ onProgress: event => events.push(event) })
  t.equal(report.sentBlobs, 12_000)
  t.equal(report.requests <= 8, true, `${report.requests} requests`)
  const bytes = events.filter(event => event.type === 'bytes').at(-1)
  t.match(bytes, { name: 'p/cats:v0', bytesSent: report.sentBytes, bytesTotal: report.sentBytes })
})

t.test('an aborted push rejects with INTERRUPTED and can be repeated', async t => {
  const controller = new AbortController()
  const { here, push } = openPair(t, {
    before: call => {
      if (call === 'send') controller.abort()
    },
  })
  await logFiles(here, { 'a.txt': 'a' })
  await t.rejects(push({ signal: controller.signal }), { code: 'INTERRUPTED' })
  const report = await push()
  t.equal(report.synced.length, 1)
})
