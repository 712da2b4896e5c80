import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, init } from '../../src/index.js'

const { folder, home } = useHome(t, { 'a.bin': 'immutable' })

type Files = Record<string, string>

async function make(files: Files, more = {}): Promise<Artifact> {
  const artifact = new Artifact({ name: 'parts', type: 'dataset', ...more })
  for (const [path, text] of Object.entries(files)) await artifact.newFile(path, text)
  return artifact
}

/** Runs of one group in one project, each of which upserts these files. */
async function upsertEach(project: string, group: string, each: Files[]): Promise<void> {
  for (const [index, files] of each.entries()) {
    const run = await init({ project, group, name: `run-${index}` })
    await run.upsertArtifact(await make(files)).committed
  }
}

t.test('parts of several runs become one version when one of them finishes', async t => {
  const at = { project: 'several', group: 'g' }
  await upsertEach('several', 'g', [{ 'z.txt': 'z', 'b/1.txt': '1' }, { 'a.txt': 'a' }])
  const run = await init({ ...at, name: 'last' })
  await t.rejects(run.useArtifact('parts'), { code: 'VERSION_NOT_FOUND' })
  await t.rejects(run.useArtifact('parts:v0'), { code: 'VERSION_NOT_FOUND' })
  const { catalog } = sharedStore(home)
  t.same((await catalog.listVersions({ project: 'several' })).items, [], 'nothing is listed')

  const last = await make({ 'm.txt': 'm' }, { description: 'all', metadata: { x: 1 } })
  const finished = run.finishArtifact(last, { aliases: ['best'], tags: ['t'] })
  await finished.committed
  t.match(finished, { version: 'v0', state: 'pending', description: 'all', metadata: { x: 1 } })
  t.same(finished.aliases.sort(), ['best', 'latest'])
  t.same(finished.tags, ['t'])
  t.same(await listEntries(finished), ['a.txt', 'b/1.txt', 'm.txt', 'z.txt'])

  const plain = await make({ 'z.txt': 'z', 'b/1.txt': '1', 'a.txt': 'a', 'm.txt': 'm' })
  const logged = (await init({ project: 'other' })).logArtifact(plain)
  await logged.committed
  t.equal(finished.digest, logged.digest, 'the digest is that of the merged manifest')
  t.match(finished, { size: logged.size, fileCount: 4 })

  const used = await run.useArtifact('parts:best')
  t.equal(used.id, finished.id)
  const root = await used.download({ root: join(folder, 'several') })
  t.equal(readFileSync(join(root, 'b/1.txt'), 'utf8'), '1')
  t.match(
    (await catalog.listPending()).items.filter(({ project }) => project === 'several'),
    [{ kind: 'version', versionId: finished.id }],
  )
})

t.test('after the finish upserts are refused, and a distributed id names one version', async t => {
  const run = await init({ project: 'after', group: 'g' })
  await run.upsertArtifact(await make({ 'a.txt': 'a' })).committed
  const first = run.finishArtifact(await make({}))
  await first.committed
  const late = run.upsertArtifact(await make({ 'b.txt': 'b' }))
  await t.rejects(late.committed, { code: 'ARTIFACT_FINALIZED', details: { id: first.id } })
  const again = run.finishArtifact(await make({ 'a.txt': 'a' }), { aliases: ['again'] })
  await again.committed
  t.match(again, { id: first.id, version: 'v0' }, 'a finish with what is in it has the same answer')
  t.same(again.aliases.sort(), ['again', 'latest'])
  const more = run.finishArtifact(await make({ 'c.txt': 'c' }))
  await t.rejects(more.committed, { code: 'ARTIFACT_FINALIZED' })

  const next = await init({ project: 'after', group: 'h' })
  await next.upsertArtifact(await make({ 'b.txt': 'b' })).committed
  const second = next.finishArtifact(await make({}))
  await second.committed
  t.match(second, { version: 'v1', fileCount: 1 }, 'another group is another version')
  t.same(await listEntries(await run.useArtifact('parts:v0')), ['a.txt'])
})

t.test('upserts need a group or a distributed id', async t => {
  const run = await init({ project: 'nogroup' })
  const artifact = await make({ a: 'a' })
  t.throws(() => run.upsertArtifact(artifact), { code: 'GROUP_REQUIRED' })
  t.throws(() => run.finishArtifact(artifact), { code: 'GROUP_REQUIRED' })
  t.throws(() => run.upsertArtifact(artifact, { distributedId: 'a\nb' }), { code: 'INVALID_NAME' })
  t.ok(artifact.isDraft(), 'it can still be logged')
  await run.upsertArtifact(artifact, { distributedId: 'd' }).committed
  const other = await init({ project: 'nogroup', group: 'd' })
  const finished = other.finishArtifact(await make({ b: 'b' }))
  await finished.committed
  t.same(await listEntries(finished), ['a', 'b'])
})

t.test('two runs with different content at one path conflict when it is finished', async t => {
  await upsertEach('conflict', 'g', [{ same: 's', 'x.txt': '1' }, { same: 's' }, { 'x.txt': '2' }])
  const run = await init({ project: 'conflict', group: 'g' })
  const finished = run.finishArtifact(await make({}))
  await t.rejects(finished.committed, {
    code: 'ENTRY_CONFLICT',
    message: /"x\.txt".*run \w{8} \(run-0\) and run \w{8} \(run-2\)/,
    details: { path: 'x.txt', runs: [/run-0/, /run-2/] },
  })
  const late = run.upsertArtifact(await make({ late: 'l' }))
  await t.rejects(late.committed, { code: 'ARTIFACT_FINALIZED' }, 'it stays closed')
  await t.rejects(run.useArtifact('parts'), { code: 'VERSION_NOT_FOUND' })
  const last = run.finishArtifact(await make({}), { onConflict: 'last' })
  await last.committed
  t.same(await listEntries(last), ['same', 'x.txt'])
  const root = await last.download({ root: join(folder, 'conflict') })
  t.equal(readFileSync(join(root, 'x.txt'), 'utf8'), '2')
})

t.test('a path of one run that is a folder of another is a conflict', async t => {
  const each: Files[] = [{ 'a/b': '1', 'a-b/c': '2' }, { 'a-b': '3' }]
  await upsertEach('folders', 'g', each)
  const run = await init({ project: 'folders', group: 'g' })
  const finished = run.finishArtifact(await make({}), { onConflict: 'last' })
  await t.rejects(finished.committed, {
    code: 'ENTRY_CONFLICT',
    details: { path: 'a-b', below: 'a-b/c' },
  })
})

t.test('a part has no number and its own entries; a failed add rejects it alone', async t => {
  const run = await init({ project: 'parts', group: 'g' })
  const broken = await make({})
  broken.addFile(join(folder, 'absent')).catch(() => {})
  await t.rejects(run.upsertArtifact(broken).committed, { code: 'FILE_NOT_FOUND' })
  const artifact = await make({ 'n.txt': 'n' })
  await artifact.addFile(join(folder, 'a.bin'), { policy: 'immutable' })
  const part = run.upsertArtifact(artifact, { tags: ['one'] })
  await part.committed
  t.match(part, { state: 'open', fileCount: 2, tags: ['one'] })
  t.throws(() => part.version, { code: 'ARTIFACT_NOT_LOGGED' })
  t.throws(() => artifact.newFile('x'), { code: 'ARTIFACT_FINALIZED' })
  t.same(await listEntries(part), ['a.bin', 'n.txt'])
  await t.rejects(run.useArtifact(`parts@${part.id}`), { code: 'VERSION_NOT_FOUND' })
  const model = new Artifact({ name: 'parts', type: 'model' })
  await t.rejects(run.upsertArtifact(model).committed, { code: 'TYPE_CONFLICT' })

  const finished = run.finishArtifact(await make({}, { metadata: { n: 1 } }), { tags: ['two'] })
  await finished.committed
  t.same(finished.tags, ['one', 'two'])
  t.match((await finished.verify()).problems, [])
  const { catalog } = sharedStore(home)
  t.equal((await catalog.getExternal(finished.id)).length, 1, 'files in place are known')
  t.equal(await catalog.getVersion(part.id), null, 'the part is no more')
})

t.test('more parts than are read at once are merged in order', async t => {
  const run = await init({ project: 'many', group: 'g' })
  const COUNT = 150
  for (let index = 0; index < COUNT; index += 1) {
    const own = `${String((index * 7) % COUNT).padStart(3, '0')}.txt`
    void run.upsertArtifact(await make({ [own]: `${index}`, shared: `${index}` }))
  }
  const refused = run.finishArtifact(await make({}))
  await t.rejects(refused.committed, { code: 'ENTRY_CONFLICT', details: { path: 'shared' } })
  const finished = run.finishArtifact(await make({}), { onConflict: 'last' })
  await finished.committed
  t.equal(finished.fileCount, COUNT + 1)
  const paths = await listEntries(finished)
  t.same(paths, [...paths].sort())
  const root = await finished.download({ root: join(folder, 'many') })
  t.equal(readFileSync(join(root, 'shared'), 'utf8'), `${COUNT - 1}`)
  t.equal(readFileSync(join(root, '000.txt'), 'utf8'), '0')
})
