import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { logFiles } from '../../fixtures/log-files.js'
import { makeVersion, recordsOf } from '../../fixtures/server/make-version.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { ArtifactError } from '../../src/errors.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { objectPath } from '../../src/model/home.js'
import { splitRuns } from '../../src/pack/parse-pack-stream.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { quarantineKeys } from '../../src/store/quarantine.js'
import { repairStore } from '../../src/store/repair-store.js'
import { openStore, type Store } from '../../src/store/store.js'
import { verifyInStore } from '../../src/store/verify.js'
import { createHealer } from '../../src/sync/create-healer.js'
import { pullVersion } from '../../src/sync/pull.js'
import { pushPending } from '../../src/sync/push.js'

const URL = 'http://remote.test'
const cats = { entity: 'default', project: 'p', name: 'cats' }
const latest = { kind: 'alias', alias: 'latest' } as const
const large = Buffer.alloc(2_000_000, 'large ')
const middle = Buffer.alloc(500_000, 'middle ')
const files = { 'a.txt': 'aaaa', 'b.txt': 'bbbb', 'large.bin': large }

const hasher = await createHasher('xxh128')
const digestOf = (content: string | Buffer) => hashBytes(hasher, Buffer.from(content as string))

/** A store whose one version is synced, and the remote that it was sent to. */
async function setUp(t: Test) {
  const folder = t.testdir({})
  const here = openStore(join(folder, 'here'))
  const there = openStore(join(folder, 'there'))
  t.teardown(() => Promise.all([here.close(), there.close()]))
  const link = { away: false }
  const remote = openStoreRemote(there, URL, {
    before: () => {
      if (link.away) throw new ArtifactError('REMOTE_UNREACHABLE', 'it is away')
    },
  })
  here.healer = createHealer(here, async () => remote)
  const { id } = await logFiles(here, files)
  const push = () => pushPending(here, () => remote, { defaultRemote: URL })
  await push()
  const version = (await here.catalog.getVersion(id))!
  let outs = 0
  const checkout = async () =>
    hashTree((await checkoutVersion(here, version, join(folder, `out ${outs++}`))).root)
  return { folder, here, there, remote, link, version, checkout, push, whole: await checkout() }
}

t.test('what is damaged or gone comes again from the remote', async t => {
  const { here, remote, version, checkout, whole } = await setUp(t)
  const fetched = () =>
    remote.calls.flatMap(({ call, records }) => (call === 'fetch' ? records : []))
  await damageBlob(here, digestOf('aaaa'))
  await damageBlob(here, digestOf(large))
  t.same(await checkout(), whole)
  t.same(new Set(fetched()), new Set([`blob/${digestOf('aaaa')}`, `blob/${digestOf(large)}`]))

  const piece = version.pieces[0]!.digest
  await damageBlob(here, piece, 'piece')
  t.same(await checkout(), whole)
  t.ok(fetched().includes(`piece/${piece}`))

  rmSync(objectPath(here.home, digestOf(large)))
  await damageBlob(here, digestOf('bbbb'))
  t.match(await verifyInStore(here, version), { problems: [], recovered: 2 })
  t.equal((await verifyInStore(here, version)).recovered, undefined, 'all is well')
  const count = fetched().length
  t.same(await checkout(), whole)
  t.equal(fetched().length, count, 'nothing is fetched that is here')
})

t.test('without the remote the error says so, and what needs the bytes', async t => {
  const { here, link, checkout, whole, version } = await setUp(t)
  await damageBlob(here, digestOf('aaaa'))
  link.away = true
  const error = await checkout().catch(error => error)
  t.match(error, {
    code: 'BLOB_DAMAGED',
    message: /it is away.*p\/cats:v0 \(a\.txt\)/,
    details: { path: 'a.txt', neededBy: [{ version: 'p/cats:v0', path: 'a.txt' }] },
  })
  t.match(await verifyInStore(here, version), {
    problems: [{ path: 'a.txt', problem: 'missing', message: /it is away/ }],
  })
  t.match(await repairStore(here), {
    recovered: 0,
    reason: { code: 'REMOTE_UNREACHABLE' },
    lost: [{ digest: digestOf('aaaa'), neededBy: [{ version: 'p/cats:v0', path: 'a.txt' }] }],
  })
  link.away = false
  t.match(await repairStore(here), { recovered: 1, lost: [] })
  t.same(await checkout(), whole)
})

t.test('what was never synced cannot come again', async t => {
  const { here, there } = await setUp(t)
  const { id } = await logFiles(here, { 'new.txt': 'never sent' }, { name: 'dogs' })
  await logFiles(here, { 'other.txt': 'never sent', 'a.txt': 'aaaa' }, { name: 'birds' })
  await damageBlob(here, digestOf('never sent'))
  await damageBlob(here, digestOf('aaaa'))
  const repaired = await repairStore(here)
  t.match(repaired, { versions: 3, recovered: 1, lost: [{ digest: digestOf('never sent') }] })
  t.same(
    repaired.lost[0]!.neededBy.map(({ version, path }) => `${version} ${path}`),
    ['p/birds:v0 other.txt', 'p/dogs:v0 new.txt'],
  )
  t.equal(await there.catalog.getVersion(id), null)
})

t.test('a server takes again what turned out damaged there', async t => {
  const { folder, here, there, remote, push } = await setUp(t)
  const elsewhere = openStore(join(folder, 'elsewhere'))
  t.teardown(() => elsewhere.close())
  const pull = async () => {
    const found = await remote.findVersion(cats, latest)
    await pullVersion(elsewhere, remote, found)
    return checkoutVersion(elsewhere, found.version, join(folder, 'elsewhere out'))
  }
  await damageBlob(there, digestOf('aaaa'))
  await damageBlob(there, digestOf(large))
  // Large bodies are found damaged while they are sent, and are gone when they are asked for again.
  await t.rejects(pull(), { code: 'BLOB_MISSING' })
  const refs = ['aaaa', large].map(content => ({
    kind: 'blob' as const,
    digest: digestOf(content),
  }))
  t.same(await there.catalog.locate(refs), [null, null])

  await logFiles(here, { ...files, 'c.txt': 'cccc' })
  const report = await push()
  t.match(report, { pending: 0, failed: [], errors: [] })
  const sent = remote.calls.flatMap(({ call, records }) => (call === 'send' ? records : []))
  t.equal(sent.filter(name => name === `blob/${digestOf('aaaa')}`).length, 2)
  t.match(await pull(), { written: 4 })
})

t.test('a server asks again for a piece that turned out damaged there', async t => {
  const { here, there, push, version } = await setUp(t)
  await damageBlob(there, version.pieces[0]!.digest, 'piece')
  // The same content under another name: its piece is the one that the server has.
  await logFiles(here, files, { name: 'dogs' })
  t.match(await push(), { pending: 0, failed: [], errors: [], sentBlobs: 0 })
  const dogs = await there.catalog.findVersion({ ...cats, name: 'dogs' }, latest)
  t.match(await verifyInStore(there, dogs.version), { files: 3, problems: [] })
})

/** Takes a blob out of a store just before its next commit. */
function removeBefore(store: Store, method: 'log' | 'import', content: string): void {
  const { catalog } = store
  const commit = catalog[method] as (request: never) => Promise<never>
  catalog[method] = async (request: never) => {
    catalog[method] = commit
    const size = Buffer.byteLength(content)
    await damageBlob(store, digestOf(content))
    await quarantineKeys(store, [{ kind: 'blob', digest: digestOf(content), size }])
    return commit(request)
  }
}

t.test('a server that loses bytes while it commits asks for them', async t => {
  const { here, there, remote, push } = await setUp(t)
  await logFiles(here, { ...files, 'c.txt': 'cccc' })
  removeBefore(there, 'log', 'aaaa')
  t.match(await push(), { pending: 0, failed: [], errors: [] })
  const sent = remote.calls.flatMap(({ call, records }) => (call === 'send' ? records : []))
  t.equal(sent.filter(name => name === `blob/${digestOf('aaaa')}`).length, 2, 'it was sent again')
  const { version } = await there.catalog.findVersion(cats, latest)
  t.match(await verifyInStore(there, version), { files: 4, problems: [] })
})

t.test('a pull that loses bytes before its end fetches them again', async t => {
  const { folder, remote } = await setUp(t)
  const elsewhere = openStore(join(folder, 'elsewhere'))
  t.teardown(() => elsewhere.close())
  removeBefore(elsewhere, 'import', 'aaaa')
  const found = await remote.findVersion(cats, latest)
  const { downloadedBytes } = await pullVersion(elsewhere, remote, found)
  t.ok(downloadedBytes > large.length + 12, 'four bytes came twice')
  t.match(await verifyInStore(elsewhere, found.version), { files: 3, problems: [] })
})

t.test('a server over HTTP leaves out what is damaged, large or small', async t => {
  const { local, served, remote } = await serveStores(t)
  const { blobs, pieces } = await makeVersion(local, { small: 'aaaa', middle, large })
  await remote.send('default', recordsOf(local, [...blobs, ...pieces]))
  for (const { digest } of blobs) await damageBlob(served, digest)
  const read = async () => {
    const names: string[] = []
    for await (const { header, body } of splitRuns(
      remote.fetch('default', [...blobs, ...pieces]),
    )) {
      for await (const _ of body);
      names.push(header.kind)
    }
    return names
  }
  // The large one is found out when most of it is on its way, and the connection is cut.
  await t.rejects(read())
  t.same(await read(), ['piece'])
  t.same(await served.catalog.locate(blobs), [null, null, null])
  t.same(await remote.listMissing('default', blobs), [0, 1, 2])
  await remote.send('default', recordsOf(local, blobs))
  t.equal((await read()).length, 4)
})
