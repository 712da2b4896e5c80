import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { openStore } from '../../src/store/store.js'
import { pushPending } from '../../src/sync/push.js'

const PENDING = 10_000
const dogs = { entity: 'default', project: 'p', name: 'dogs' }
const latest = { kind: 'alias', alias: 'latest' } as const

/** Ten thousand versions that wait, and a remote; what is asked of the catalog is counted. */
async function start(t: Test) {
  const folder = t.testdir()
  const [local, there] = ['local', 'there'].map(name => openStore(join(folder, name)))
  t.teardown(async () => {
    await local!.close()
    await there!.close()
  })
  const { id } = await logFiles(local!, { 'a.txt': 'a' })
  const { catalog } = local!
  const first = (await catalog.getVersion(id))!
  const logs = Array.from({ length: PENDING - 1 }, (_, n) => {
    const { state: _state, number: _number, aliases: _aliases, ...content } = first
    const newId = randomBytes(16).toString('hex')
    // Equal content of two versions in a row would be one.
    const pieces = n % 2 === 0 ? [] : first.pieces
    const version = { ...content, id: newId, pieces }
    const target = { remote: null }
    return catalog.log({ logId: newId, version, aliases: [], target, packs: [], objects: [] })
  })
  await Promise.all(logs)
  const counts = { listPending: 0, rows: 0, getVersion: 0 }
  const { listPending, getVersion } = catalog
  catalog.listPending = async after => {
    const page = await listPending(after)
    counts.listPending += 1
    counts.rows += page.items.length
    return page
  }
  catalog.getVersion = id => {
    counts.getVersion += 1
    return getVersion(id)
  }
  return { local: local!, there: there!, counts, firstSeq: (await listPending()).items[0]!.seq }
}

t.test('a version that is logged while thousands are pushed does not wait for them', async t => {
  const { local, there, counts } = await start(t)
  let release = () => {}
  const blocked = new Promise<void>(resolve => {
    release = resolve
  })
  let commits = 0
  const before = async (call: string) => {
    // The first is that of the thousands.
    if (call === 'commit' && commits++ === 0) await blocked
  }
  const remote = openStoreRemote(there, 'http://remote', { before })
  const abort = new AbortController()
  const options = { defaultRemote: 'http://remote', signal: abort.signal }
  const push = pushPending(local, () => remote, options)
  await waitUntil(async () => commits > 0)
  const calls = remote.calls.length
  const read = { ...counts }
  await logFiles(local, { 'b.txt': 'b' }, { name: 'dogs' })
  await waitUntil(() => there.catalog.findVersion(dogs, latest).catch(() => null))
  t.same(
    remote.calls.slice(calls).map(({ call }) => call),
    ['commit', 'listMissing', 'send', 'commit'],
  )
  t.equal(counts.rows, read.rows + 1, 'what is pending was not listed again')
  t.equal(counts.getVersion, read.getVersion + 1)
  abort.abort()
  release()
  await t.rejects(push, { code: 'INTERRUPTED' })
})

t.test('thousands behind one that failed cost the others a list of them', async t => {
  const { local, there, counts, firstSeq } = await start(t)
  const error = { code: 'SOURCE_CHANGED', message: 'it changed', details: {} } as const
  await local.catalog.setPendingError(firstSeq, error)
  await logFiles(local, { 'b.txt': 'b' }, { name: 'dogs' })
  const remote = openStoreRemote(there, 'http://remote')
  const report = await pushPending(local, () => remote, { defaultRemote: 'http://remote' })
  t.match(report, { synced: [{ name: 'dogs' }], pending: PENDING - 1, failed: { length: 1 } })
  t.equal(remote.calls.length, 4)
  t.equal(counts.rows, PENDING + 1)
  t.ok(counts.listPending <= 4, `${counts.listPending} pages`)
  t.equal(counts.getVersion, 1)
})
