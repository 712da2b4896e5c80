import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { commitOf, makeVersion, recordsOf } from '../../fixtures/server/make-version.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { startWeather } from '../../fixtures/weather/start-weather.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { parseDigest } from '../../src/model/digest.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { loadPieceBytes } from '../../src/store/load-piece.js'
import { readEntries } from '../../src/store/manifest.js'
import type { Store } from '../../src/store/store.js'
import { sweepStore } from '../../src/store/sweep-store.js'
import { verifyInStore } from '../../src/store/verify.js'
import { pushPending } from '../../src/sync/push.js'

const CATS = { entity: 'default', project: 'p', name: 'cats' }
const LATEST = { kind: 'alias', alias: 'latest' } as const
const FILES = { 'a.txt': 'first', 'b.txt': 'second', 'c.txt': 'third' }

/** A push with something that happens on the server before its commits, by their numbers from 0. */
async function setUp(t: Test, before: (commit: number, served: Store) => Promise<void>) {
  const { local, served, server } = await serveStores(t)
  const weather = await startWeather(server.url)
  t.teardown(() => weather.close())
  const sent: string[] = []
  weather.onRecord = ({ digest }) => sent.push(digest)
  const remote = openHttpRemote({ url: weather.url })
  const commit = remote.commit.bind(remote)
  let commits = 0
  remote.commit = async (...request) => {
    await before(commits, served)
    commits += 1
    return commit(...request)
  }
  const push = () => pushPending(local, () => remote, { defaultRemote: weather.url })
  return { local, served, remote, push, sent, commits: () => commits }
}

async function keysOf(store: Store, id: string): Promise<BlobKey[]> {
  const { pieces } = (await store.catalog.getVersion(id))!
  const keys: BlobKey[] = []
  for await (const entries of readEntries(store, pieces)) {
    for (const { digest, size } of entries) {
      keys.push({ kind: 'blob', digest: parseDigest(digest), size })
    }
  }
  return keys
}

/** Takes bytes out of the catalog, as one that removes them does. */
async function remove(store: Store, keys: BlobKey[]): Promise<void> {
  const locations = await store.catalog.locate(keys)
  const places = keys.map((key, index) => ({ key, location: locations[index]! }))
  await store.catalog.remove({ places })
}

t.test('what a server removes between its answer and the commit is sent again', async t => {
  let keys: BlobKey[] = []
  const { local, served, push, sent } = await setUp(t, async (commit, served) => {
    if (commit === 1) await remove(served, keys.slice(0, 2))
  })
  const { id } = await logFiles(local, FILES)
  keys = await keysOf(local, id)
  t.match(await push(), { synced: [{ id, number: 0 }], failed: [], errors: [], pending: 0 })
  for (const [index, { digest }] of keys.entries()) {
    t.equal(sent.filter(other => other === digest).length, index < 2 ? 2 : 1)
  }
  const { version } = await served.catalog.findVersion(CATS, LATEST)
  t.same((await verifyInStore(served, version)).problems, [])
})

t.test('what a server had when it was asked, and removed before the commit, is sent', async t => {
  let keys: BlobKey[] = []
  const scene = await setUp(t, async (commit, served) => {
    if (commit === 1) await remove(served, keys)
  })
  const { local, served, remote, push, sent } = scene
  const { blobs } = await makeVersion(local, FILES)
  await remote.send('default', recordsOf(local, blobs))
  sent.splice(0)
  const { id } = await logFiles(local, FILES)
  keys = await keysOf(local, id)
  t.same(await remote.listMissing('default', keys), [], 'the server says that it has all')
  t.match(await push(), { synced: [{ id, number: 0 }], failed: [], errors: [], pending: 0 })
  t.same(new Set(sent.filter(digest => keys.some(key => key.digest === digest))).size, 3)
  const { version } = await served.catalog.findVersion(CATS, LATEST)
  t.same((await verifyInStore(served, version)).problems, [])
})

t.test('a sweep of the server amid a push costs a repetition at most', async t => {
  const { local, served, push, commits } = await setUp(t, async (commit, served) => {
    if (commit === 1) await sweepStore(served)
  })
  const large = { ...FILES, 'large.bin': Buffer.alloc(600_000, 'large ') }
  const { id } = await logFiles(local, large)
  t.match(await push(), { synced: [{ id, number: 0 }], failed: [], errors: [], pending: 0 })
  t.ok(commits() <= 3, `${commits()} commits`)
  const { version } = await served.catalog.findVersion(CATS, LATEST)
  t.match(await verifyInStore(served, version), { files: 4, problems: [] })
})

t.test('a server that forgets whatever it is sent is given up, and nothing fails', async t => {
  let keys: BlobKey[] = []
  const { local, push, commits } = await setUp(t, async (commit, served) => {
    if (commit > 0) await remove(served, keys)
  })
  const { id } = await logFiles(local, FILES)
  keys = await keysOf(local, id)
  const { errors, failed, pending } = await push()
  t.match(errors, [{ code: 'REMOTE_INVALID' }])
  t.same({ failed, pending }, { failed: [], pending: 1 })
  t.ok(commits() < 10)
})

t.test(
  'a file whose bytes equal a piece does not stand for it, nor a piece for a file',
  async t => {
    const { local, served, remote } = await serveStores(t)
    const made = await makeVersion(local, FILES, CATS)
    const [piece] = made.pieces
    const asBlob: BlobKey = { ...piece!, kind: 'blob' }
    const bytes = Buffer.from(await loadPieceBytes(local, made.version.pieces[0]!))
    await remote.send('default', async function* () {
      yield { key: asBlob, storedLength: asBlob.size, body: bytes }
      yield* recordsOf(local, made.blobs)()
    })
    t.match((await remote.commit(CATS, [commitOf(made.version)])).results, [
      { status: 'incomplete', pieces: [piece!.digest] },
    ])
    t.same((await served.catalog.listVersions({})).items, [])

    const listing = await makeVersion(local, { 'piece.txt': bytes }, { ...CATS, name: 'dogs' })
    await served.catalog.remove({
      places: [{ key: asBlob, location: (await served.catalog.locate([asBlob]))[0]! }],
    })
    await remote.send('default', recordsOf(local, [...made.pieces, ...listing.pieces]))
    const dogs = { ...CATS, name: 'dogs' }
    t.match((await remote.commit(dogs, [commitOf(listing.version)])).results, [
      { status: 'incomplete', pieces: [listing.pieces[0]!.digest] },
    ])
    await t.rejects(remote.findVersion(dogs, LATEST), { code: 'ARTIFACT_NOT_FOUND' })
  },
)
