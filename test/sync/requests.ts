import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { logListing } from '../../fixtures/log-listing.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { listPages } from '../../src/catalog/list-pages.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { openStore } from '../../src/store/store.js'
import { pullVersion } from '../../src/sync/pull.js'
import { pushPending } from '../../src/sync/push.js'

/** A store and a real server, with a watch on what goes between them. */
async function openWatched(test: Test) {
  const { local, served, server } = await serveStores(test)
  const proxy = await startProxy(test, server.url)
  const push = () =>
    pushPending(local, url => openHttpRemote({ url }), { defaultRemote: proxy.url })
  const takeRequests = () =>
    proxy.requests.splice(0).map(request => request.replace(/^(\w+) .*\//, '$1 '))
  const takeBytes = () => {
    const bytes = proxy.uploaded
    proxy.uploaded = 0
    return bytes
  }
  const remote = openHttpRemote({ url: proxy.url })
  return { local, served, remote, push, takeRequests, takeBytes }
}

t.test('a small push takes four requests, and one when the server has the content', async t => {
  const { local, push, takeRequests } = await openWatched(t)
  await logFiles(local, { 'a.txt': 'a', 'b.txt': 'b' })
  await push()
  t.same(takeRequests(), ['POST commit', 'POST missing', 'POST packs', 'POST commit'])

  await logFiles(local, { 'a.txt': 'a', 'b.txt': 'b' }, { name: 'dogs' })
  const report = await push()
  t.match(report.synced, [{ name: 'dogs', number: 0 }])
  t.same(takeRequests(), ['POST commit'], 'under another name')

  await logFiles(local, { 'a.txt': 'a', 'b.txt': 'b' }, { aliases: ['best'] })
  await push()
  t.same(takeRequests(), ['POST commit'], 'only an alias moved')

  await push()
  t.same(takeRequests(), [], 'nothing is pending')
})

t.test('a thousand small versions of one collection share requests', async t => {
  const { local, served, push, takeRequests } = await openWatched(t)
  const bytes = Buffer.alloc(32_000, 'weights')
  const logged: string[] = []
  for (let n = 0; n < 1000; n++) {
    bytes.writeUInt32LE(n)
    logged.push((await logFiles(local, { 'checkpoint.bin': Buffer.from(bytes) })).id)
  }
  const report = await push()
  t.equal(report.synced.length, 1000)
  const requests = takeRequests()
  t.ok(requests.length <= 20, `${requests.length} requests`)
  const committed: string[] = []
  for await (const page of listPages(after => served.catalog.listVersions({}, after))) {
    committed.push(...page.map(({ id }) => id))
  }
  t.same(committed, logged, 'in the order in which they were logged')
})

t.test('of many files of which one changed, its piece of the manifest and it are sent', async t => {
  const { local, push, takeRequests, takeBytes } = await openWatched(t)
  await logListing(local, { files: 50_000 })
  t.match(await push(), { synced: { length: 1 } })
  const first = takeBytes()
  takeRequests()
  await logListing(local, { files: 50_000, changed: 31_000 })
  t.match(await push(), { synced: [{ number: 1 }], sentBlobs: 1 })
  t.same(takeRequests(), ['POST commit', 'POST missing', 'POST packs', 'POST commit'])
  const second = takeBytes()
  // A piece, and twice the list of pieces, which is as long as the version has files.
  t.ok(second < 256 * 1024, `${second} bytes`)
  t.ok(second < first / 4, `${second} bytes after ${first}`)
})

t.test('many new files take few requests, there and back', async t => {
  const { local, remote, push, takeRequests } = await openWatched(t)
  const files = Array.from({ length: 12_000 }, (_, n) => [`${n}.txt`, `file ${n}`])
  const { id } = await logFiles(local, Object.fromEntries(files))
  t.match(await push(), { synced: { length: 1 }, sentBlobs: 12_000 })
  const commit = 'POST commit'
  const missing = 'POST missing'
  const packs = 'POST packs'
  const pushed = takeRequests()
  t.same([pushed[0], pushed.at(-1)], [commit, commit])
  // 2,500 keys, 7,500 and the rest; the first pack goes out beside the questions after the first.
  t.same(pushed.slice(1, -1).toSorted(), [missing, missing, missing, packs, packs, packs])

  const elsewhere = openStore(t.testdir())
  t.teardown(() => elsewhere.close())
  const name = { entity: 'default', project: 'p', name: 'cats' }
  await pullVersion(elsewhere, remote, await remote.findVersion(name, { kind: 'id', id }))
  const [find, ...fetches] = takeRequests()
  t.match(find, /^GET /)
  t.same(fetches, ['POST fetch', 'POST fetch', 'POST fetch'], 'pieces, and files twice')
})
