import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { listRows } from '../../fixtures/list-rows.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { ArtifactError } from '../../src/errors.js'
import { Artifact, init, Table } from '../../src/index.js'

const METADATA = { split: 'train', sizes: [1, 2] }

/** A run, and a version of `cats` with four files, a table and a reference. */
async function logCats(t: Test) {
  const { folder } = useHome(t, {
    cats: { 'a.txt': 'a', deep: { 'b.txt': 'b', 'c.txt': 'c' }, 'deep-er.txt': 'd' },
  })
  const run = await init({ project: 'p' })
  const artifact = new Artifact({
    ...{ name: 'cats', type: 'dataset', description: 'all cats', metadata: METADATA },
  })
  await artifact.addDir(join(folder, 'cats'))
  await artifact.add(new Table({ columns: ['n'], data: [[1], [2]] }), 'tables/cats')
  await artifact.addReference('s3://bucket/cats.zip', { name: 'zip', checksum: false })
  const first = run.logArtifact(artifact, { aliases: ['best'], tags: ['good'] })
  await first.committed
  return { folder, run, first }
}

const PATHS = ['a.txt', 'deep-er.txt', 'deep/b.txt', 'deep/c.txt', 'tables/cats.table.json', 'zip']

t.test('a draft is as its version was, and becomes the next one', async t => {
  const { folder, run, first } = await logCats(t)
  const draft = await first.newDraft()
  t.match(draft, { name: 'cats', type: 'dataset', description: 'all cats' })
  t.strictSame(draft.metadata, METADATA)
  t.same(await listEntries(draft), PATHS)

  await draft.remove('deep')
  await draft.newFile('deep/new.txt', 'new')
  await draft.newFile('a.txt', 'other', { overwrite: true })
  draft.metadata = { ...draft.metadata, split: 'all' }
  const paths = PATHS.filter(path => !path.startsWith('deep/')).toSpliced(2, 0, 'deep/new.txt')
  t.same(await listEntries(draft), paths)

  const second = run.logArtifact(draft)
  await second.committed
  t.match(second, {
    ...{ version: 'v1', aliases: ['latest'], tags: [], fileCount: 5, description: 'all cats' },
    metadata: { split: 'all', sizes: [1, 2] },
  })
  const root = await second.download({ root: join(folder, 'out'), allowMissingReferences: true })
  t.equal(readFileSync(join(root, 'a.txt'), 'utf8'), 'other')
  t.equal(readFileSync(join(root, 'deep/new.txt'), 'utf8'), 'new')
  for await (const { path, ref } of second.entries()) {
    t.equal(ref, path === 'zip' ? 's3://bucket/cats.zip' : undefined)
  }
  t.strictSame(await listRows(await second.get('tables/cats')), [[1], [2]])
  t.same(await listEntries(first), PATHS, 'the version that it began as stays')
})

t.test('a draft has the digest of an artifact that is built of the same files', async t => {
  const { folder, run, first } = await logCats(t)
  const draft = await first.newDraft()
  for (const path of ['zip', 'tables', 'a.txt']) await draft.remove(path)
  await draft.newFile('0', '0')
  const second = run.logArtifact(draft)
  const built = new Artifact({ name: 'dogs', type: 'dataset' })
  rmSync(join(folder, 'cats/a.txt'))
  await built.addDir(join(folder, 'cats'))
  await built.newFile('0', '0')
  const other = run.logArtifact(built)
  await run.finish()
  t.equal(second.digest, other.digest)
  t.equal(second.size, other.size)
})

t.test('a draft that nothing was changed in makes no version', async t => {
  const { run, first } = await logCats(t)
  const draft = await first.newDraft()
  await draft.newFile('a.txt', 'a')
  await draft.remove('zip')
  await draft.addReference('s3://bucket/cats.zip', { name: 'zip', checksum: false })
  const same = run.logArtifact(draft, { aliases: ['again'] })
  await same.committed
  t.match(same, { unchanged: true, version: 'v0', aliases: ['again', 'best', 'latest'] })
})

t.test('other content at a path is a conflict, unless it is to replace it', async t => {
  const { run, first } = await logCats(t)
  for (const [path, other] of [
    ['a.txt', 'a.txt'],
    ['a.txt/below', 'a.txt'],
    ['deep', 'deep'],
  ] as const) {
    const draft = await first.newDraft()
    await draft.newFile(path, 'other')
    await t.rejects(run.logArtifact(draft).committed, {
      code: 'ENTRY_CONFLICT',
      details: { path: other },
    })
    const free = await first.newDraft()
    await free.remove(other)
    await free.newFile(path, 'other')
    await run.logArtifact(free).committed
  }
})

t.test('what is not there cannot be removed, and the order of the calls decides', async t => {
  const { run, first } = await logCats(t)
  for (const path of ['b.txt', 'dee', 'deep/b', 'zip/x', 'tables/cats']) {
    const draft = await first.newDraft()
    await t.rejects(draft.remove(path), { code: 'ENTRY_NOT_FOUND', details: { path } })
    await t.rejects(run.logArtifact(draft).committed, { code: 'ENTRY_NOT_FOUND' })
  }
  const draft = await first.newDraft()
  t.throws(() => draft.remove('../x'), { code: 'INVALID_PATH' })
  const again = await first.newDraft()
  await again.remove('deep')
  await t.rejects(again.remove('deep/b.txt'), { code: 'ENTRY_NOT_FOUND' })
})

t.test('removing works on what was added, awaited or not', async t => {
  const { folder } = await logCats(t)
  const artifact = new Artifact({ name: 'dogs', type: 'dataset' })
  void artifact.addDir(join(folder, 'cats'), { name: 'x' })
  void artifact.newFile('y', '1')
  void artifact.remove('x/deep')
  void artifact.remove({ path: 'y' })
  void artifact.newFile('y', '2')
  void artifact.newFile('x/deep/new.txt', 'new')
  const logged = await artifact.save({ project: 'p' })
  t.same(await listEntries(logged), ['x/a.txt', 'x/deep-er.txt', 'x/deep/new.txt', 'y'])
  const root = await logged.download({ root: join(folder, 'out') })
  t.equal(readFileSync(join(root, 'y'), 'utf8'), '2')
  t.throws(() => artifact.remove('y'), { code: 'ARTIFACT_FINALIZED' })

  const typo = new Artifact({ name: 'dogs', type: 'dataset' })
  await typo.newFile('y', '1')
  void typo.remove('Y')
  await t.rejects(typo.save({ project: 'p' }), { code: 'ENTRY_NOT_FOUND', details: { path: 'Y' } })
})

t.test('a draft is logged into the collection of its version, whole', async t => {
  const { first } = await logCats(t)
  const other = await init({ project: 'q' })
  const draft = await first.newDraft()
  t.throws(() => other.logArtifact(draft), TypeError)
  await draft.remove('a.txt')
  const saved = await draft.save()
  t.match(saved, { project: 'p', version: 'v1' })
  const grouped = await init({ project: 'p', group: 'g' })
  t.throws(() => grouped.upsertArtifact(new Artifact({ ...INCREMENTAL })), TypeError)
  t.throws(() => grouped.finishArtifact(new Artifact({ ...INCREMENTAL })), TypeError)
})

const INCREMENTAL = { name: 'cats', type: 'dataset', incremental: true }

t.test('an incremental artifact is merged onto the latest version', async t => {
  const { run, first } = await logCats(t)
  const more = new Artifact({ ...INCREMENTAL })
  await more.newFile('a.txt', 'replaced')
  await more.newFile('new.txt', 'new')
  await more.remove('deep')
  t.same(await listEntries(more), ['a.txt', 'new.txt'])
  const second = run.logArtifact(more)
  await second.committed
  t.match(second, { version: 'v1', description: null })
  const paths = ['a.txt', 'deep-er.txt', 'new.txt', 'tables/cats.table.json', 'zip']
  t.same(await listEntries(second), paths)

  const wrong = new Artifact({ ...INCREMENTAL })
  await wrong.remove('deep')
  await t.rejects(run.logArtifact(wrong).committed, {
    code: 'ENTRY_NOT_FOUND',
    details: { path: 'deep' },
  })
  const same = new Artifact({ ...INCREMENTAL })
  await same.newFile('new.txt', 'new')
  const logged = run.logArtifact(same)
  await logged.committed
  t.match(logged, { unchanged: true, version: 'v1' })
  t.match(first, { version: 'v0' })

  const fresh = new Artifact({ ...INCREMENTAL, name: 'fresh' })
  await fresh.newFile('x', 'x')
  const alone = run.logArtifact(fresh)
  await alone.committed
  t.same(await listEntries(alone), ['x'], 'there was none to merge onto')
})

t.test('incremental artifacts that are logged at once keep each other', async t => {
  const { run } = await logCats(t)
  const paths = Array.from({ length: 20 }, (_, n) => `more/${n}`).sort()
  for (const path of paths) {
    const artifact = new Artifact({ ...INCREMENTAL })
    void artifact.newFile(path, path)
    run.logArtifact(artifact)
  }
  await run.finish()
  const latest = await run.useArtifact('cats')
  t.equal(latest.version, 'v20')
  t.same(
    (await listEntries(latest)).filter(path => path.startsWith('more/')),
    paths,
  )
})

t.test('a latest that nothing moved is no reason to go on for ever', async t => {
  const { home } = useHome(t)
  const run = await init({ project: 'p' })
  const { catalog } = sharedStore(home)
  const tries: (string | null | undefined)[] = []
  let latest = 0
  catalog.log = async ({ ifLatest }) => {
    tries.push(ifLatest)
    latest = Math.min(latest + 1, 3)
    throw new ArtifactError('LATEST_MOVED', 'moved', { details: { latest: `${latest}` } })
  }
  const artifact = new Artifact({ name: 'cats', type: 'dataset', incremental: true })
  await artifact.newFile('a.txt', 'a')
  await t.rejects(run.logArtifact(artifact).committed, { code: 'LATEST_MOVED' })
  t.equal(tries.length, 4, 'while others log, it is tried again')
})
