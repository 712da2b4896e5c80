import { join } from 'node:path'
import t, { type Test } from 'tap'
import { collect } from '../../fixtures/collect.js'
import { type LogFilesOptions, logFiles } from '../../fixtures/log-files.js'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { openWorkspace, syncWorkspace } from '../../src/artifact/workspace.js'
import type { KeyRef } from '../../src/catalog/catalog.js'
import { Artifact, init } from '../../src/index.js'
import type { Digest } from '../../src/model/digest.js'
import { readEntries } from '../../src/store/manifest.js'
import { readSettings } from '../../src/store/settings.js'
import { openStore } from '../../src/store/store.js'

const files = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`f/${n}.txt`, `file ${n}`]))

async function logBoth(home: string, options: LogFilesOptions = {}) {
  const before = files(6000)
  const { 'f/7.txt': seven, 'f/8.txt': _, ...rest } = before
  const after = { ...rest, 'f/9.txt': 'another', 'g/seven.txt': seven!, 'h.txt': 'new' }
  await logFiles(sharedStore(home), before, options)
  await logFiles(sharedStore(home), after, options)
}

const EXPECTED = [
  { kind: 'removed', path: 'f/8.txt', before: { size: 6 } },
  { kind: 'changed', path: 'f/9.txt', before: { size: 6 }, after: { size: 7 } },
  { kind: 'moved', path: 'g/seven.txt', from: 'f/7.txt' },
  { kind: 'added', path: 'h.txt', after: { path: 'h.txt', size: 3 } },
]

t.test('two versions of a store differ in what was added, removed, changed and moved', async t => {
  const { home } = useHome(t)
  await logBoth(home)
  const run = await init({ project: 'p' })
  const [before, after] = [await run.useArtifact('cats:v0'), await run.useArtifact('cats:v1')]
  const changes = await collect(before.diff(after))
  t.match(changes, EXPECTED)
  t.equal(changes.length, EXPECTED.length)
  t.same(await collect(after.diff(after)), [])
  const draft = new Artifact({ name: 'dogs', type: 'dataset' })
  await draft.newFile('h.txt', 'new')
  const kinds = (await collect(after.diff(run.logArtifact(draft)))).map(({ kind }) => kind)
  t.same(new Set(kinds), new Set(['removed']), 'it waits for a version that is being logged')
  t.equal(kinds.length, 5999)
})

t.test('versions of the remote are compared without a file of them', async t => {
  const { folder, home } = useHome(t)
  const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const settings = { ...readSettings(process.env), remote: server.url }
  await logBoth(home)
  await syncWorkspace(openWorkspace(settings), {})

  const { store, changes } = await diffElsewhere(t, join(folder, 'second'), server.url)
  t.match(changes, EXPECTED)
  t.equal(changes.length, EXPECTED.length)
  t.same((await store.catalog.listVersions({})).items, [])
  const { blobs, pieces } = await listHere(home)
  t.equal(blobs.length, 2 * 6000)
  t.ok((await store.catalog.locate(blobs.slice(0, 5000))).every(place => place === null))
  t.ok((await store.catalog.locate(blobs.slice(-5000))).every(place => place === null))
  const places = await store.catalog.locate(pieces)
  const shared = (digest: string) => pieces.filter(piece => piece.digest === digest).length === 2
  t.ok(pieces.some(({ digest }) => shared(digest)))
  t.same(
    pieces.filter((_, index) => places[index]),
    pieces.filter(({ digest }) => !shared(digest)),
    'the pieces came that differ, and no other',
  )
})

async function diffElsewhere(t: Test, home: string, remote: string) {
  const run = await init({ home, remote, project: 'p' })
  t.teardown(() => sharedStore(home).close())
  const [before, after] = [await run.useArtifact('cats:v0'), await run.useArtifact('cats')]
  return { store: sharedStore(home), changes: await collect(before.diff(after)) }
}

/** What the versions in a store list: files and pieces, version by version. */
async function listHere(home: string) {
  const store = sharedStore(home)
  const blobs: KeyRef[] = []
  const pieces: KeyRef[] = []
  for (const { id } of (await store.catalog.listVersions({})).items) {
    const version = await store.catalog.getVersion(id)
    for (const { digest } of version!.pieces) pieces.push({ kind: 'piece', digest })
    for (const entries of await collect(readEntries(store, version!.pieces))) {
      for (const { digest } of entries) blobs.push({ kind: 'blob', digest: digest as Digest })
    }
  }
  return { blobs, pieces }
}

t.test('digests of two algorithms do not compare', async t => {
  const { folder, home } = useHome(t)
  await logBoth(home)
  const other = join(folder, 'other')
  await openStore(other, { algorithm: 'md5' }).close()
  await logFiles(sharedStore(other), { a: 'a' })
  t.teardown(() => sharedStore(other).close())
  const mine = await (await init({ project: 'p' })).useArtifact('cats')
  const theirs = await (await init({ home: other, project: 'p' })).useArtifact('cats')
  await t.rejects(collect(mine.diff(theirs)), { code: 'DIGESTS_DIFFER' })
  // @ts-expect-error a name is no version
  await t.rejects(collect(mine.diff('cats')), TypeError)
})
