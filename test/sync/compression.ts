import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { listStored } from '../../fixtures/store/list-stored.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { openStore } from '../../src/store/store.js'
import { verifyInStore } from '../../src/store/verify.js'
import { pullVersion } from '../../src/sync/pull.js'
import { pushPending } from '../../src/sync/push.js'

const text = (seed: string) => Buffer.alloc(50_000, `a line with ${seed}\n`)
const files = {
  'a.txt': text('one'),
  'b.txt': text('two'),
  'noise.bin': randomBytes(50_000),
  'short.txt': 'short',
}
const collection = { entity: 'default', project: 'p', name: 'cats' }

t.test('what compresses travels and lies compressed, and reads as it was', async t => {
  const { folder, local, served, server, remote } = await serveStores(t)
  const { id } = await logFiles(local, files)
  const report = await pushPending(local, () => remote, { defaultRemote: server.url })
  t.equal(report.synced.length, 1)
  const size = Object.values(files).reduce((sum, { length }) => sum + length, 0)
  t.ok(report.sentBytes > size, 'plain bytes are told')

  const kept = listStored(served.home).records
  const shapes = kept
    .filter(({ key }) => key.kind === 'blob')
    .map(({ key, encoding, storedLength }) => [key.size, encoding, storedLength < 1000])
  t.same(shapes.sort(), [
    [5, 0, true],
    [50_000, 0, false],
    [50_000, 1, true],
    [50_000, 1, true],
  ])
  const { version } = await served.catalog.findVersion(collection, { kind: 'id', id })
  t.same((await verifyInStore(served, version)).problems, [])

  const elsewhere = openStore(join(folder, 'elsewhere'))
  t.teardown(() => elsewhere.close())
  const found = await remote.findVersion(collection, { kind: 'id', id })
  await pullVersion(elsewhere, remote, found)
  const frames = listStored(elsewhere.home).records.filter(({ encoding }) => encoding === 1)
  t.ok(frames.length >= 2, 'they come as they lie, and are kept')
  const root = join(folder, 'out')
  await checkoutVersion(elsewhere, version, root)
  for (const [path, bytes] of Object.entries(files)) {
    t.ok(readFileSync(join(root, path)).equals(Buffer.from(bytes as Buffer)), path)
  }
})

t.test('a remote that does not take frames gets none', async t => {
  const { local, served } = await serveStores(t)
  await logFiles(local, files)
  const old = openStoreRemote(served, 'http://old.test', { encodings: [0] })
  const report = await pushPending(local, () => old, { defaultRemote: old.url })
  t.equal(report.synced.length, 1)
  t.notOk(listStored(served.home).records.some(({ encoding }) => encoding === 1))
})
