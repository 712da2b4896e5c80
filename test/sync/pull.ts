import { join } from 'node:path'
import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import {
  openStoreRemote,
  type StoreRemote,
  type StoreRemoteOptions,
} from '../../fixtures/store-remote.js'
import { ArtifactError } from '../../src/errors.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import type { Version } from '../../src/model/version.js'
import { type StreamedRecord, splitRuns } from '../../src/pack/parse-pack-stream.js'
import { readEntries } from '../../src/store/manifest.js'
import { openStore, type Store } from '../../src/store/store.js'
import { pullVersion } from '../../src/sync/pull.js'

const cats = { entity: 'default', project: 'p', name: 'cats' }
const latest = { kind: 'alias' as const, alias: 'latest' }

function openPair(test: Test, options: StoreRemoteOptions = {}) {
  const folder = test.testdir({})
  const here = openStore(join(folder, 'here'))
  const there = openStore(join(folder, 'there'))
  test.teardown(() => Promise.all([here.close(), there.close()]))
  const remote = openStoreRemote(there, 'http://remote.test', options)
  const pullLatest = async () => pullVersion(here, remote, await remote.findVersion(cats, latest))
  return { here, there, remote, pullLatest }
}

async function listPaths(store: Store, version: Version): Promise<string[]> {
  const paths: string[] = []
  for await (const entries of readEntries(store, version.pieces)) {
    for (const { path } of entries) paths.push(path)
  }
  return paths
}

/** The remote, with what it sends changed on the way. */
function tamper(
  remote: StoreRemote,
  change: (records: AsyncIterable<StreamedRecord>) => AsyncIterable<StreamedRecord>,
): void {
  const fetch = remote.fetch.bind(remote)
  remote.fetch = (...args) => change(splitRuns(fetch(...args)))
}

t.test('a pulled version is here whole, and only what changed comes again', async t => {
  const { here, there, pullLatest } = openPair(t)
  const large = Buffer.alloc(600_000, 5)
  await logFiles(there, { 'a.txt': 'a', 'b/c.txt': 'c', 'large.bin': large }, { aliases: ['best'] })
  const first = await pullLatest()
  t.equal(first.downloadedBytes > large.length, true)
  const found = await here.catalog.findVersion(cats, { kind: 'alias', alias: 'best' })
  t.match(found.version, { number: 0, state: 'synced', fileCount: 3 })
  t.same(await listPaths(here, found.version), ['a.txt', 'b/c.txt', 'large.bin'])
  t.same(await here.catalog.listPending(), { items: [] })

  await logFiles(there, { 'a.txt': 'new', 'b/c.txt': 'c', 'large.bin': large })
  const second = await pullLatest()
  t.equal(second.downloadedBytes < 1000, true, `${second.downloadedBytes} bytes came`)
  const now = await here.catalog.findVersion(cats, latest)
  t.equal(now.version.number, 1)
  t.same(await pullLatest(), { downloadedBytes: 0 })
})

t.test('what came is looked for once, when the version is complete', async t => {
  const { here, there, pullLatest } = openPair(t)
  const files = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`${n}.txt`, `file ${n}`]))
  await logFiles(there, files)
  const { catalog } = here
  const locate = catalog.locate.bind(catalog)
  const located = { blob: 0, piece: 0, recipe: 0 }
  catalog.locate = async refs => {
    for (const { kind } of refs) located[kind] += 1
    return locate(refs)
  }
  await pullLatest()
  t.equal(located.blob, 300, 'before it is asked for, before it is kept, and at the end')
  t.equal(located.piece, 4, 'and when what it lists is to be fetched')
})

t.test('nothing appears when a blob is absent, and the path is named', async t => {
  const { here, there, remote, pullLatest } = openPair(t)
  await logFiles(there, { 'a.txt': 'a', 'lost.txt': 'lost' })
  tamper(remote, async function* (records) {
    for await (const record of records) {
      if (record.header.kind === 'piece' || record.header.plainLength !== 4) yield record
    }
  })
  await t.rejects(pullLatest(), { code: 'BLOB_MISSING', details: { name: 'lost.txt' } })
  t.same(await here.catalog.listVersions({}), { items: [] })
})

t.test('damaged bytes are refused, and the path is named', async t => {
  const { here, there, remote, pullLatest } = openPair(t)
  await logFiles(there, { 'a.txt': 'a', 'bad.txt': 'good' })
  tamper(remote, async function* (records) {
    for await (const record of records) {
      const { kind, plainLength } = record.header
      const isVictim = kind === 'blob' && plainLength === 4
      yield isVictim ? { header: record.header, body: toBody('evil') } : record
    }
  })
  await t.rejects(pullLatest(), { code: 'BLOB_DAMAGED', details: { name: 'bad.txt' } })
  t.same(await here.catalog.listVersions({}), { items: [] })
})

async function* toBody(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

t.test('what was not asked for is refused', async t => {
  const { there, remote, pullLatest } = openPair(t)
  await logFiles(there, { 'a.txt': 'a' })
  const fetch = remote.fetch.bind(remote)
  await logFiles(there, { 'z.txt': 'other' }, { name: 'dogs' })
  const dogs = await there.catalog.findVersion({ ...cats, name: 'dogs' }, latest)
  const { digest, size } = dogs.version.pieces[0]!
  const extra: BlobKey = { kind: 'piece', digest, size }
  remote.fetch = (entity, keys, options) => fetch(entity, [...keys, extra], options)
  await t.rejects(pullLatest(), { code: 'REMOTE_INVALID' })
})

t.test('a pull that was cut goes on where it was', async t => {
  const { here, there, remote, pullLatest } = openPair(t)
  const files = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`${n}.txt`, `text ${n}`]))
  await logFiles(there, files)
  let left = 0
  tamper(remote, async function* (records) {
    for await (const record of records) {
      if (left-- === 0) throw new ArtifactError('REMOTE_UNREACHABLE', 'cut')
      yield record
    }
  })
  left = 10
  await pullLatest()
  const sent = remote.calls.flatMap(({ records }) => records)
  const { version } = await here.catalog.findVersion(cats, latest)
  t.equal(version.fileCount, 50)
  t.equal(sent.length - new Set(sent).size <= 1, true, 'only the record at the cut came twice')
})

t.test('a remote that is gone for good is told as such', async t => {
  const { there, remote, pullLatest } = openPair(t)
  await logFiles(there, { 'a.txt': 'a' })
  tamper(remote, async function* () {
    yield* []
    throw new ArtifactError('REMOTE_UNREACHABLE', 'cut')
  })
  await t.rejects(pullLatest(), { code: 'REMOTE_UNREACHABLE' })
})

const lies: Record<string, (version: Version) => Partial<Version>> = {
  'another artifact digest': () => ({ digest: '0'.repeat(32) }),
  'another size': ({ size }) => ({ size: size + 1 }),
  'another number of files': ({ fileCount }) => ({ fileCount: fileCount + 1 }),
  'an odd id': () => ({ id: '../../etc' }),
  'an odd name': () => ({ name: '..' }),
  'an odd alias': () => ({ aliases: ['a/b'] }),
  'a piece of another size': ({ pieces }) => ({
    pieces: pieces.map(piece => ({ ...piece, count: piece.count + 1 })),
  }),
  'the pieces twice': ({ pieces, fileCount, size }) => ({
    pieces: [...pieces, ...pieces],
    fileCount: fileCount * 2,
    size: size * 2,
  }),
  'no pieces': () => ({ pieces: [] }),
}

for (const [what, lie] of Object.entries(lies)) {
  t.test(`a version with ${what} is REMOTE_INVALID`, async t => {
    const { here, there, remote } = openPair(t)
    await logFiles(there, { 'a.txt': 'a', 'b.txt': 'b' })
    const found = await remote.findVersion(cats, latest)
    const version = { ...found.version, ...lie(found.version) }
    await t.rejects(pullVersion(here, remote, { ...found, version }), { code: 'REMOTE_INVALID' })
    t.same(await here.catalog.listVersions({}), { items: [] })
  })
}

t.test('an id that is another version here is not written over', async t => {
  const { here, there, remote } = openPair(t)
  await logFiles(there, { 'a.txt': 'a' })
  const ours = await logFiles(here, { 'a.txt': 'ours' }, { name: 'dogs' })
  const found = await remote.findVersion(cats, latest)
  const version = { ...found.version, id: ours.id }
  await t.rejects(pullVersion(here, remote, { ...found, version }), { code: 'REMOTE_INVALID' })
  t.equal((await here.catalog.getVersion(ours.id))?.name, 'dogs')
})
