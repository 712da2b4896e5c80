import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chunks, collect } from '../../fixtures/pack/chunks.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { listStored } from '../../fixtures/store/list-stored.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import type { Version } from '../../src/model/version.js'
import { splitRuns } from '../../src/pack/parse-pack-stream.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import type { Remote } from '../../src/remote/remote.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { openStore, type Store } from '../../src/store/store.js'
import { verifyInStore } from '../../src/store/verify.js'
import { verifyStore } from '../../src/store/verify-store.js'
import { pullVersion } from '../../src/sync/pull.js'
import { type PushOptions, pushPending } from '../../src/sync/push.js'

const MIB = 1024 * 1024
/** What one changed place costs beside its own bytes: chunks, recipe and question. */
const SLACK = MIB

async function openWatched(test: Test) {
  const stores = await serveStores(test)
  const proxy = await startProxy(test, stores.server.url)
  const remote = openHttpRemote({ url: proxy.url })
  const push = (options: PushOptions = {}) => pushPending(stores.local, () => remote, options)
  const tree = join(stores.folder, 'tree')
  mkdirSync(tree)
  /** Logs these files and no others as the next version. */
  const log = (files: Record<string, Buffer>) => {
    for (const [path, bytes] of Object.entries(files)) writeFileSync(join(tree, path), bytes)
    return logTree(stores.local, tree)
  }
  return { ...stores, proxy, remote, push, log }
}

async function pull(store: Store, remote: Remote, version: Version): Promise<number> {
  const found = await remote.findVersion(version, { kind: 'id', id: version.id })
  return (await pullVersion(store, remote, found)).downloadedBytes
}

function listBlobs(home: string) {
  return listStored(home).records.filter(({ key }) => key.kind === 'blob')
}

t.test('of a large file that changed, only what is new travels, both ways', async t => {
  const { folder, local, served, proxy, remote, push, log } = await openWatched(t)
  const first = seededBytes('first', 12 * MIB)
  const more = seededBytes('more', MIB)
  const contents = [
    first,
    Buffer.concat([first, more]),
    Buffer.concat([first.subarray(0, 5e6), more.subarray(0, 1000), first.subarray(5e6)]),
  ]
  const versions: Version[] = []
  const costs = [13 * MIB, MIB + SLACK, SLACK]
  for (const [n, bytes] of contents.entries()) {
    versions.push(await log({ 'large.bin': bytes }))
    proxy.uploaded = 0
    const report = await push()
    t.match(report, { synced: [{ number: n }], errors: [], failed: [] })
    t.ok(proxy.uploaded < costs[n]!, `v${n}: ${proxy.uploaded} bytes sent`)
  }
  t.same(listStored(served.home).objects, [], 'the server keeps chunks')
  const kept = listBlobs(served.home).reduce((sum, { storedLength }) => sum + storedLength, 0)
  t.ok(kept < 14 * MIB, `${kept} bytes kept`)
  for (const version of versions) t.same((await verifyInStore(served, version)).problems, [])

  const elsewhere = openStore(join(folder, 'elsewhere'))
  t.teardown(() => elsewhere.close())
  for (const [n, version] of versions.entries()) {
    proxy.downloaded = 0
    const bytes = await pull(elsewhere, remote, version)
    t.ok(proxy.downloaded < costs[n]!, `v${n}: ${proxy.downloaded} bytes received`)
    t.ok(bytes < costs[n]!, 'what came is told')
    const root = join(folder, `out-${n}`)
    await checkoutVersion(elsewhere, version, root)
    t.ok(readFileSync(join(root, 'large.bin')).equals(contents[n]!), `v${n} is right`)
  }
  t.equal(listStored(elsewhere.home).objects.length, 3, 'they are objects here')

  const root = join(folder, 'from-the-server')
  await checkoutVersion(served, versions[2]!, root)
  t.ok(readFileSync(join(root, 'large.bin')).equals(contents[2]!), 'and on the server')
  await verifyInStore(local, versions[0]!)
})

t.test('chunks that repeat travel once', async t => {
  const { folder, proxy, remote, push, log } = await openWatched(t)
  const half = seededBytes('half', 4 * MIB)
  const files = {
    'twice.bin': Buffer.concat([half, half]),
    'zeros.bin': Buffer.alloc(20 * MIB),
    'other.bin': Buffer.concat([Buffer.from('head'), half]),
  }
  const version = await log(files)
  const report = await push()
  t.equal(report.sentBlobs, 3)
  t.ok(proxy.uploaded < 4 * MIB + SLACK, `${proxy.uploaded} bytes sent`)
  const elsewhere = openStore(join(folder, 'elsewhere'))
  t.teardown(() => elsewhere.close())
  await pull(elsewhere, remote, version)
  t.ok(proxy.downloaded < 4 * MIB + SLACK, `${proxy.downloaded} bytes received`)
  const root = join(folder, 'out')
  await checkoutVersion(elsewhere, version, root)
  for (const [path, bytes] of Object.entries(files)) {
    t.ok(readFileSync(join(root, path)).equals(bytes), path)
  }
})

t.test('after a cut, what the server has verified is not sent again', async t => {
  const { served, proxy, push, log } = await openWatched(t)
  const version = await log({ 'large.bin': seededBytes('cut', 24 * MIB) })
  const controller = new AbortController()
  const aborted = push({
    signal: controller.signal,
    onProgress: event => {
      if (event.type === 'bytes' && event.bytesSent > 12 * MIB) controller.abort()
    },
  })
  await t.rejects(aborted, { code: 'INTERRUPTED' })
  await waitUntil(async () => {
    const [kept] = listBlobs(served.home)
    return kept && (await served.catalog.locate([kept.key]))[0]
  })
  proxy.uploaded = 0
  const report = await push()
  t.equal(report.synced.length, 1)
  t.ok(proxy.uploaded < 20 * MIB, `${proxy.uploaded} of ${24 * MIB} bytes were sent again`)
  t.same((await verifyInStore(served, version)).problems, [])
})

t.test('a chunk that is damaged on the server comes again with the next push', async t => {
  const { folder, local, served, remote, push, log } = await openWatched(t)
  const bytes = Buffer.concat([seededBytes('heal', MIB), Buffer.alloc(MIB, 'text')])
  const version = await log({ 'large.bin': bytes })
  await push()
  t.same((await verifyStore(served)).problems, [], 'recipes and frames verify')
  const [chunk] = listBlobs(served.home).filter(({ encoding }) => encoding === 0)
  await damageBlob(served, chunk!.key.digest)
  t.match((await verifyStore(served)).problems, [
    { problem: 'damaged', what: `blob/${chunk!.key.digest}` },
  ])

  const elsewhere = openStore(join(folder, 'elsewhere'))
  t.teardown(() => elsewhere.close())
  await t.rejects(pull(elsewhere, remote, version), { code: 'BLOB_MISSING' })
  t.match((await verifyInStore(served, version)).problems, [{ path: 'large.bin' }])
  await t.rejects(checkoutVersion(served, version, join(folder, 'out')), { code: 'BLOB_MISSING' })

  await logTree(local, join(folder, 'tree'), 'again')
  const report = await push()
  t.match(report, { synced: [{ name: 'again' }], failed: [], errors: [] })
  t.same((await verifyStore(served)).problems, [])
  await pull(elsewhere, remote, version)
  t.same((await verifyInStore(elsewhere, version)).problems, [])
})

t.test('a recipe that lies is found out, and nothing of it is kept', async t => {
  const { folder, served, push, log } = await openWatched(t)
  const version = await log({ 'large.bin': seededBytes('lie', MIB) })
  await push()
  const elsewhere = openStore(join(folder, 'elsewhere'))
  t.teardown(() => elsewhere.close())
  const liar = openStoreRemote(served, 'http://liar.test')
  const { fetch } = liar
  liar.fetch = async function* (...args) {
    for await (const { header, body } of splitRuns(fetch(...args))) {
      const rows = header.kind === 'recipe' ? await collect(body) : null
      // The first two chunks change places.
      rows?.set([...rows.subarray(20, 40), ...rows.subarray(0, 20)])
      yield { header, body: rows ? chunks(rows) : body }
    }
  }
  await t.rejects(pull(elsewhere, liar, version), { code: 'BLOB_DAMAGED' })
  t.same(listStored(elsewhere.home).objects, [])
  t.same(await elsewhere.catalog.getVersion(version.id), null)
})

t.test('a file that is damaged here fails its version, not the push', async t => {
  const { local, push, log } = await openWatched(t)
  await log({ 'large.bin': seededBytes('damage', MIB) })
  const [object] = listStored(local.home).objects
  chmodSync(object!, 0o600)
  writeFileSync(object!, seededBytes('other', MIB))
  const report = await push()
  t.match(report, { errors: [], failed: [{ error: { code: /^BLOB_/ } }] })
})

t.test('a remote without recipes gets large files whole', async t => {
  const { local, served, log } = await openWatched(t)
  const version = await log({ 'large.bin': randomBytes(MIB) })
  const old = openStoreRemote(served, 'http://old.test', { recipes: false })
  await pushPending(local, () => old)
  t.equal(listStored(served.home).objects.length, 1)
  t.same((await verifyInStore(served, version)).problems, [])
})
