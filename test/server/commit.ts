import t from 'tap'
import {
  CATS,
  commitOf,
  type MadeVersion,
  makeVersion,
  newId,
  recordsOf,
} from '../../fixtures/server/make-version.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import type { Entry } from '../../src/model/entry.js'
import type { CommitItem, Remote } from '../../src/remote/remote.js'
import { writeManifest } from '../../src/store/manifest.js'
import type { Store } from '../../src/store/store.js'

/** Sends all that a version has, and commits it. */
async function push(
  store: Store,
  remote: Remote,
  files: Record<string, string>,
  aliases?: string[],
) {
  const { version, blobs, pieces } = await makeVersion(store, files)
  await remote.send('default', recordsOf(store, [...blobs, ...pieces]))
  const { results } = await remote.commit(CATS, [commitOf(version, aliases)])
  return { version, result: results[0]! }
}

t.test('a version is committed when everything is there, and not before', async t => {
  const { local, served, remote } = await serveStores(t)
  const { version, blobs, pieces } = await makeVersion(local, { a: 'a', b: 'b' })
  const item = commitOf(version, ['best'])
  const lacking = pieces.map(({ digest }) => digest)
  const commit = async () => {
    const { storeId, results } = await remote.commit(CATS, [item])
    t.equal(storeId, served.id)
    return results
  }

  t.same(await commit(), [{ status: 'incomplete', pieces: lacking }], 'nothing is there')
  await remote.send('default', recordsOf(local, pieces))
  t.same(await commit(), [{ status: 'incomplete', pieces: lacking }], 'the piece is there')
  await remote.send('default', recordsOf(local, blobs.slice(1)))
  t.same(await commit(), [{ status: 'incomplete', pieces: lacking }], 'one blob is missing')
  await t.rejects(remote.findVersion(CATS, { kind: 'alias', alias: 'latest' }), {
    code: 'ARTIFACT_NOT_FOUND',
  })
  t.same(await served.catalog.listComplete(lacking), [false])

  await remote.send('default', recordsOf(local, blobs.slice(0, 1)))
  const committed = { status: 'committed', id: version.id, number: 0, unchanged: false }
  t.same(await commit(), [committed])
  t.same(await served.catalog.listComplete(lacking), [true])
  t.same(await commit(), [committed], 'asked again, it answers the same')
  t.same(await remote.commit(CATS, [{ ...item, logId: newId() }]), {
    storeId: served.id,
    capabilities: await remote.capabilities(),
    results: [committed],
  })

  const found = await remote.findVersion(CATS, { kind: 'alias', alias: 'best' })
  t.same(found.version, { ...version, number: 0, aliases: ['best', 'latest'], state: 'synced' })
  for (const selector of [
    { kind: 'number' as const, number: 0 },
    { kind: 'id' as const, id: version.id.slice(0, 8) },
    { kind: 'id' as const, id: version.id },
  ]) {
    t.equal((await remote.findVersion(CATS, selector)).version.id, version.id)
  }
  const page = await remote.listVersions({ entity: 'default', project: 'animals' })
  const { pieces: _, ...summary } = found.version
  t.same(page, { items: [{ ...summary, settled: true }] })
})

t.test('pieces that vouch make the next commit one request', async t => {
  const { local, served, remote } = await serveStores(t)
  const files = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`f${i}`, `${i % 7}`]))
  const { version } = await push(local, remote, files)
  t.ok(version.pieces.length > 1)
  await push(local, remote, { ...files, f1: 'changed' })

  const again = await makeVersion(local, files)
  const { results } = await remote.commit(CATS, [commitOf(again.version)])
  t.match(results, [{ status: 'committed', number: 2, unchanged: false }])
  const digests = version.pieces.map(({ digest }) => digest)
  t.notOk((await served.catalog.listComplete(digests)).includes(false))
})

t.test('content that is latest makes no new version, and its aliases move', async t => {
  const { local, remote } = await serveStores(t)
  const { version } = await push(local, remote, { a: 'a' }, ['x'])
  const same = await makeVersion(local, { a: 'a' })
  const item = commitOf(same.version, ['y'])
  const alias: CommitItem = {
    kind: 'alias',
    logId: newId(),
    versionId: same.version.id,
    aliases: ['..', '@z'],
  }
  const answer = { status: 'committed', id: version.id, number: 0, unchanged: true }
  for (const _ of [1, 2]) {
    // The alias names the version by the id that only this request told.
    t.same((await remote.commit(CATS, [item, alias])).results, [answer, answer])
  }
  for (const name of ['x', 'y', '..', '@z', 'latest']) {
    const found = await remote.findVersion(CATS, { kind: 'alias', alias: name })
    t.equal(found.version.id, version.id, name)
  }
})

t.test('items are committed in their order, and nothing behind one that is not', async t => {
  const { local, remote } = await serveStores(t)
  const versions: MadeVersion[] = []
  for (const text of ['0', '1', '2']) versions.push(await makeVersion(local, { a: text }))
  const items = versions.map(({ version }) => commitOf(version))
  const [first, second, third] = versions
  const lacking = [first!, second!, third!].map(({ pieces }) => [pieces[0]!.digest])
  const send = (made: MadeVersion) =>
    remote.send('default', recordsOf(local, [...made.blobs, ...made.pieces]))

  t.same((await remote.commit(CATS, items)).results, [
    { status: 'incomplete', pieces: lacking[0] },
    { status: 'waiting', pieces: lacking[1] },
    { status: 'waiting', pieces: lacking[2] },
  ])
  await send(first!)
  await send(third!)
  t.match((await remote.commit(CATS, items)).results, [
    { status: 'committed', number: 0 },
    { status: 'incomplete', pieces: lacking[1] },
    { status: 'waiting', pieces: [] },
  ])
  await send(second!)
  t.match((await remote.commit(CATS, items)).results, [
    { status: 'committed', number: 0, id: first!.version.id },
    { status: 'committed', number: 1, id: second!.version.id },
    { status: 'committed', number: 2, id: third!.version.id },
  ])
})

t.test('a version that is refused stops those behind it', async t => {
  const { local, remote } = await serveStores(t)
  await push(local, remote, { a: 'a' })
  const { version, blobs, pieces } = await makeVersion(local, { a: 'b' }, { type: 'model' })
  await remote.send('default', recordsOf(local, [...blobs, ...pieces]))
  const next = await makeVersion(local, { a: 'c' })
  const { results } = await remote.commit(CATS, [commitOf(version), commitOf(next.version)])
  t.match(results, [
    { status: 'refused', error: { code: 'TYPE_CONFLICT' } },
    { status: 'waiting', pieces: next.pieces.map(({ digest }) => digest) },
  ])
})

t.test('nothing that a version says is believed', async t => {
  const { local, remote } = await serveStores(t)
  const { version, blobs, pieces } = await makeVersion(local, { a: 'a', b: 'b' })
  const other = await makeVersion(local, { c: 'c' })
  const keys = [...blobs, ...pieces, ...other.blobs, ...other.pieces]
  await remote.send('default', recordsOf(local, keys))
  const [piece] = version.pieces
  const hex = '0'.repeat(32)
  const lies = [
    [{ digest: hex }, 'REQUEST_INVALID'],
    [{ digest: 'abc' }, 'REQUEST_INVALID'],
    [{ algorithm: 'md5' }, 'REQUEST_INVALID'],
    [{ size: 3 }, 'REQUEST_INVALID'],
    [{ fileCount: 1 }, 'REQUEST_INVALID'],
    [{ pieces: [{ ...piece!, count: 1 }] }, 'REQUEST_INVALID'],
    [{ pieces: [] }, 'REQUEST_INVALID'],
    [{ pieces: [...other.version.pieces, piece!] }, 'PIECE_INVALID'],
    [{ pieces: [piece!, piece!] }, 'PIECE_INVALID'],
    [{ project: 'elsewhere' }, 'REQUEST_INVALID'],
    [{ name: 'dogs' }, 'REQUEST_INVALID'],
    [{ name: '..' }, 'INVALID_NAME'],
    [{ id: 'x' }, 'INVALID_REFERENCE'],
    [{ type: 'job' }, 'INVALID_TYPE'],
    [{ type: 'a/b' }, 'INVALID_TYPE'],
    [{ tags: ['a/b'] }, 'INVALID_TAG'],
    [
      { metadata: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`k${i}`, 1])) },
      'INVALID_METADATA',
    ],
    [{ run: { id: 'r', project: '..' } }, 'INVALID_NAME'],
  ] as const
  for (const [changes, code] of lies) {
    const { results } = await remote.commit(CATS, [commitOf({ ...version, ...changes } as never)])
    t.match(results, [{ status: 'refused', error: { code } }], JSON.stringify(changes).slice(0, 90))
  }
  for (const alias of ['v1', 'a:b', '']) {
    const { results } = await remote.commit(CATS, [commitOf(version, [alias])])
    t.match(results, [{ status: 'refused', error: { code: 'INVALID_ALIAS' } }], alias)
  }
  const { results } = await remote.commit(CATS, [commitOf(version)])
  t.match(results, [{ status: 'committed', number: 0 }], 'the truth is taken, as the first')
  const taken = { ...other.version, id: version.id }
  t.match((await remote.commit(CATS, [commitOf(taken)])).results, [
    { status: 'refused', error: { code: 'REQUEST_INVALID' } },
  ])
  const alias: CommitItem = { kind: 'alias', logId: newId(), versionId: version.id, aliases: ['x'] }
  const dogs = { ...CATS, name: 'dogs' }
  t.match((await remote.commit(dogs, [alias])).results, [
    { status: 'refused', error: { code: 'VERSION_NOT_FOUND' } },
  ])
})

t.test('references have no blob, and files no digest of another algorithm', async t => {
  const { local, remote } = await serveStores(t)
  const commitEntries = async (entries: Entry[]) => {
    const ingest = local.ingest()
    const manifest = await writeManifest(ingest, 'xxh128', entries)
    await ingest.finish()
    const keys = manifest.pieces.map(piece => ({ kind: 'piece' as const, ...piece }))
    await remote.send('default', recordsOf(local, keys))
    const { version } = await makeVersion(local, {}, manifest)
    return (await remote.commit(CATS, [commitOf(version)])).results
  }
  const ref = { path: 'r', digest: 'etag', size: 1e12, ref: 's3://bucket/r' }
  t.match(await commitEntries([ref]), [{ status: 'committed', number: 0 }])
  const file = { path: 'f', digest: `md5:${'0'.repeat(32)}`, size: 1 }
  t.match(await commitEntries([file, ref]), [
    { status: 'refused', error: { code: 'REQUEST_INVALID', details: { path: 'f' } } },
  ])
})

t.test('an empty artifact is a version', async t => {
  const { local, remote } = await serveStores(t)
  const { version } = await makeVersion(local, {})
  t.same([version.pieces, version.size, version.fileCount], [[], 0, 0])
  t.match((await remote.commit(CATS, [commitOf(version)])).results, [{ status: 'committed' }])
})

t.test('a commit of more items than a request takes goes in several', async t => {
  const { local, remote } = await serveStores(t)
  const { version } = await makeVersion(local, {})
  const aliases = Array.from({ length: 1500 }, (_, i): CommitItem => {
    return { kind: 'alias', logId: newId(), versionId: version.id, aliases: [`a${i % 3}`] }
  })
  const { results } = await remote.commit(CATS, [commitOf(version), ...aliases])
  t.equal(results.length, 1501)
  t.notOk(results.some(({ status }) => status !== 'committed'))

  const [bad, ...rest] = aliases
  const stopped = await remote.commit({ ...CATS, name: 'dogs' }, [bad!, ...rest])
  t.equal(stopped.results.length, 1500)
  t.equal(stopped.results[0]!.status, 'refused')
  t.same(stopped.results.at(-1), { status: 'waiting', pieces: [] })
})

t.test('versions are listed a page at a time', async t => {
  const { local, remote } = await serveStores(t)
  for (let number = 0; number < 3; number++) await push(local, remote, { a: `${number}` })
  const items = Array.from({ length: 600 }, (_, i) => ({ ...CATS, name: `cats-${i}` }))
  const { version } = await makeVersion(local, {})
  for (const collection of items) {
    await remote.commit(collection, [commitOf({ ...version, ...collection, id: newId() })])
  }
  const first = await remote.listVersions({ entity: 'default', project: 'animals' })
  t.equal(first.items.length, 500)
  const second = await remote.listVersions({ project: 'animals' }, first.next)
  t.equal(second.items.length, 103)
  t.equal(second.next, undefined)
  t.equal(new Set([...first.items, ...second.items].map(({ id }) => id)).size, 603)
  const cats = await remote.listVersions({ project: 'animals', name: 'cats', type: 'dataset' })
  t.same(
    cats.items.map(({ number, aliases }) => [number, aliases]),
    [
      [0, []],
      [1, []],
      [2, ['latest']],
    ],
  )
  t.same(await remote.listVersions({ type: 'model' }), { items: [] })
})
