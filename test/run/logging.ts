import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact, init, type LoggedArtifact } from '../../src/index.js'

const { folder } = useHome(t, { big: 'big '.repeat(2_000_000) })

const make = (name: string, metadata = {}) => new Artifact({ name, type: 'dataset', metadata })

async function makeWith(name: string, content: string, metadata = {}): Promise<Artifact> {
  const artifact = make(name, metadata)
  await artifact.newFile('a.txt', content)
  return artifact
}

t.test('logArtifact returns before anything is committed', async t => {
  const run = await init({ project: 'returns', name: 'first', jobType: 'train', group: 'g1' })
  t.match(run.id, /^[a-z0-9]{8}$/)
  t.match(run.info, { project: 'returns', name: 'first', jobType: 'train', group: 'g1' })
  const logged = run.logArtifact(await makeWith('cats', 'x'))
  t.match(logged.id, /^[0-9a-f]{32}$/)
  const { id } = logged
  for (const field of ['version', 'number', 'digest', 'size', 'aliases', 'state'] as const) {
    t.throws(() => logged[field], { code: 'ARTIFACT_NOT_LOGGED' }, field)
  }
  await t.rejects(run.useArtifact('cats'), { code: 'ARTIFACT_NOT_FOUND' })
  await logged.committed
  t.match(logged, { id, version: 'v0', number: 0, size: 1, fileCount: 1, state: 'pending' })
  t.equal(logged.qualifiedName, 'default/returns/cats:v0')
  t.same(logged.aliases, ['latest'])
})

/** The indices that v0, v1, … have in their metadata. */
async function readIndices(project: string, name: string, count: number): Promise<unknown[]> {
  const run = await init({ project })
  const indices = []
  for (let number = 0; number < count; number += 1) {
    indices.push((await run.useArtifact(`${name}:v${number}`)).metadata.index)
  }
  const beyond = run.useArtifact(`${name}:v${count}`)
  await t.rejects(beyond, { code: 'VERSION_NOT_FOUND' }, `no version after v${count - 1}`)
  t.equal((await run.useArtifact(name)).number, count - 1, 'latest is the last')
  return indices
}

const TEN = Array.from({ length: 10 }, (_, index) => index)

t.test('ten logs in a loop make v0 to v9 in the order of the calls', async t => {
  const run = await init({ project: 'loop' })
  const logged = TEN.map(index => {
    const artifact = make('race', { index })
    void artifact.newFile('index', `${index}`)
    return run.logArtifact(artifact)
  })
  await run.finish()
  t.same(
    logged.map(({ number }) => number),
    TEN,
  )
  t.same(await readIndices('loop', 'race', 10), TEN)
})

t.test('the order holds when earlier adds take longer', async t => {
  const run = await init({ project: 'sizes' })
  for (const index of TEN) {
    const artifact = make('race', { index })
    void artifact.newFile('index', `${index}`)
    if (index % 3 === 0) void artifact.addFile(join(folder, 'big'))
    if (index % 3 === 0) void artifact.newFile('more', 'x'.repeat(3_000_000 * (10 - index)))
    run.logArtifact(artifact)
  }
  await run.finish()
  t.same(await readIndices('sizes', 'race', 10), TEN)
})

t.test('a log that fails leaves no hole', async t => {
  const run = await init({ project: 'hole' })
  const logged: LoggedArtifact[] = []
  for (const index of TEN) {
    const artifact = make('race', { index })
    void artifact.newFile('index', `${index}`)
    if (index === 3 || index === 7) void artifact.addFile(join(folder, `missing-${index}`))
    logged.push(run.logArtifact(artifact))
  }
  const error = (await run.finish().catch(error => error)) as AggregateError
  t.same(
    error.errors.map(({ code }) => code),
    ['FILE_NOT_FOUND', 'FILE_NOT_FOUND'],
  )
  await t.rejects(logged[3]!.committed, { message: /missing-3/ })
  await t.rejects(logged[7]!.committed, { message: /missing-7/ })
  await logged[8]!.committed
  t.equal(logged[8]!.version, 'v6')
  t.same(await readIndices('hole', 'race', 8), [0, 1, 2, 4, 5, 6, 8, 9])
})

t.test('two runs take turns in the order of their calls', async t => {
  const runs = [await init({ project: 'turns' }), await init({ project: 'turns' })]
  for (const index of TEN) {
    const artifact = make('race', { index })
    void artifact.newFile('index', `${index}`)
    if (index % 2 === 0) void artifact.addFile(join(folder, 'big'))
    runs[index % 2]!.logArtifact(artifact)
    const other = make('other', { index: 9 - index })
    void other.newFile('index', `other ${index}`)
    runs[(index + 1) % 2]!.logArtifact(other)
  }
  await Promise.all(runs.map(run => run.finish()))
  t.same(await readIndices('turns', 'race', 10), TEN)
  t.same(await readIndices('turns', 'other', 10), TEN.toReversed())
})

t.test('identical content makes no new version, and its aliases move', async t => {
  const run = await init({ project: 'same' })
  const first = run.logArtifact(await makeWith('cats', 'x', { split: 'a' }), { aliases: ['best'] })
  await first.committed
  const draft = await makeWith('cats', 'x', { split: 'b' })
  draft.description = 'described'
  const again = run.logArtifact(draft, { aliases: ['prod'] })
  await again.committed
  t.match(again, { unchanged: true, version: 'v0', id: first.id })
  t.equal(first.unchanged, false)
  t.same(again.aliases.sort(), ['best', 'latest', 'prod'])
  t.same(again.metadata, { split: 'a' }, 'what describes a version does not change')
  t.equal(again.description, null)

  const second = run.logArtifact(await makeWith('cats', 'y'), { aliases: ['best'] })
  await second.committed
  t.match(second, { unchanged: false, version: 'v1' })
  t.same(second.aliases.sort(), ['best', 'latest'])
  t.same((await run.useArtifact('cats:prod')).version, 'v0')
  t.same((await run.useArtifact('cats:best')).version, 'v1')

  const old = run.logArtifact(await makeWith('cats', 'x'))
  await old.committed
  t.match(old, { unchanged: false, version: 'v2' }, 'only the latest version is compared')
})

t.test('a name has one type in a project', async t => {
  const run = await init({ project: 'types' })
  await run.logArtifact(await makeWith('cats', 'x')).committed
  const model = new Artifact({ name: 'cats', type: 'model' })
  await model.newFile('a.txt', 'y')
  const logged = run.logArtifact(model)
  await t.rejects(logged.committed, { code: 'TYPE_CONFLICT', message: /dataset.*model/ })
  const empty = run.logArtifact(await makeWith('cats', 'z'))
  await empty.committed
  t.equal(empty.version, 'v1')
  const elsewhere = new Artifact({ name: 'cats', type: 'model' })
  t.equal((await elsewhere.save({ project: 'other-types' })).version, 'v0')
})

t.test('versions are used by alias, number and id', async t => {
  const run = await init({ project: 'use' })
  const first = run.logArtifact(await makeWith('cats', 'one'), { aliases: ['best'] })
  const second = run.logArtifact(await makeWith('cats', 'two'))
  await run.finish()
  const rows: [name: string, id: string][] = [
    ['cats', second.id],
    ['cats:latest', second.id],
    ['cats:best', first.id],
    ['cats:v0', first.id],
    ['cats:v1', second.id],
    [`cats@${first.id}`, first.id],
    [`cats@${first.id.slice(0, 8)}`, first.id],
    ['use/cats:best', first.id],
    ['default/use/cats:best', first.id],
  ]
  const elsewhere = await init({ project: 'elsewhere' })
  for (const [name, id] of rows) {
    const used = await run.useArtifact(name)
    t.equal(used.id, id, name)
    t.same(used.resolution, { resolved: 'local', asOf: null })
    if (name.includes('/')) t.equal((await elsewhere.useArtifact(name)).id, id)
  }
  const absent: [name: string, code: string][] = [
    ['dogs', 'ARTIFACT_NOT_FOUND'],
    ['nowhere/cats', 'ARTIFACT_NOT_FOUND'],
    ['other/use/cats', 'ARTIFACT_NOT_FOUND'],
    ['cats:v2', 'VERSION_NOT_FOUND'],
    ['cats:worst', 'VERSION_NOT_FOUND'],
    ['cats@00000000', 'VERSION_NOT_FOUND'],
    ['cats:', 'INVALID_REFERENCE'],
    ['cats@xyz', 'INVALID_REFERENCE'],
    ['cats:v01', 'INVALID_REFERENCE'],
    ['a/b/c/d', 'INVALID_REFERENCE'],
    ['', 'INVALID_REFERENCE'],
    ['my cats', 'INVALID_NAME'],
  ]
  for (const [name, code] of absent) await t.rejects(run.useArtifact(name), { code }, name)
})

t.test('a version is downloaded and verified', async t => {
  const run = await init({ project: 'download' })
  const logged = run.logArtifact(await makeWith('cats', 'content'))
  await logged.committed
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => process.chdir(before))
  const used = await run.useArtifact('cats')
  const root = await used.download()
  t.equal(root, join(folder, 'artifacts/cats-v0'))
  t.equal(readFileSync(join(root, 'a.txt'), 'utf8'), 'content')
  t.equal(await used.download({ root: 'data/here' }), join(folder, 'data/here'))
  t.same(await used.verify('data/here'), { files: 1, bytes: 7, problems: [] })
  t.same(await used.verify(), { files: 1, bytes: 7, problems: [] })
  t.same(await listEntries(used), ['a.txt'])
  t.equal(await used.fetch(), 0)
})

t.test('a run ends with its block', async t => {
  let logged: LoggedArtifact | undefined
  {
    await using run = await init({ project: 'block' })
    logged = run.logArtifact(await makeWith('cats', 'x'))
  }
  t.equal(logged.version, 'v0')
  const failing = async () => {
    await using run = await init({ project: 'block' })
    const artifact = make('cats')
    void artifact.addFile(join(folder, 'missing'))
    run.logArtifact(artifact)
  }
  await t.rejects(failing(), { code: 'FILE_NOT_FOUND' })
})

t.test('an artifact is saved outside of a run', async t => {
  const artifact = await makeWith('cats', 'x')
  const logged = await artifact.save({ project: 'saved', aliases: ['best'], tags: ['small'] })
  t.match(logged, { project: 'saved', version: 'v0', tags: ['small'] })
  process.env.ARTIFACT_PROJECT = 'from-environment'
  t.teardown(() => {
    delete process.env.ARTIFACT_PROJECT
  })
  t.equal((await (await makeWith('cats', 'x')).save()).project, 'from-environment')
  t.equal((await init()).project, 'from-environment')
  t.equal((await init({ project: 'given' })).project, 'given')
})

t.test('without a remote there is nothing to wait for', async t => {
  const run = await init({ project: 'alone' })
  let release = () => {}
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  const artifact = make('cats')
  void artifact.newFile('slow', () => held)
  const logged = run.logArtifact(artifact)
  await t.rejects(logged.wait(), { code: 'NO_REMOTE' }, 'at once: it is not committed yet')
  t.throws(() => logged.version, { code: 'ARTIFACT_NOT_LOGGED' })
  release()
  await t.rejects(run.finish({ wait: true }), { code: 'NO_REMOTE' })
  t.equal(logged.version, 'v0', 'what was logged is durable all the same')
})

t.test('offline, no remote is contacted', async t => {
  process.env.ARTIFACT_REMOTE = 'http://127.0.0.1:9'
  process.env.ARTIFACT_MODE = 'offline'
  t.teardown(() => {
    delete process.env.ARTIFACT_REMOTE
    delete process.env.ARTIFACT_MODE
  })
  const run = await init({ project: 'offline' })
  const logged = run.logArtifact(await makeWith('cats', 'x'))
  await t.rejects(logged.wait(), { code: 'NO_REMOTE' })
  await t.rejects(run.finish({ wait: true }), { code: 'NO_REMOTE' })
  t.equal((await run.useArtifact('cats')).resolution?.resolved, 'local')
  await t.rejects(run.useArtifact('dogs'), { code: 'ARTIFACT_NOT_FOUND' })
  process.env.ARTIFACT_MODE = 'sometimes'
  await t.rejects(init(), { code: 'INVALID_CONFIG', message: /ARTIFACT_MODE/ })
})

t.test('waiting ends with its time or its signal', async t => {
  const run = await init({ project: 'waiting', remote: 'http://127.0.0.1:9' })
  const logged = run.logArtifact(await makeWith('cats', 'x'))
  await t.rejects(logged.wait({ timeout: 300 }), { code: 'WAIT_TIMEOUT' })
  await t.rejects(logged.wait({ signal: AbortSignal.timeout(300) }), { code: 'INTERRUPTED' })
  await t.rejects(logged.wait({ signal: AbortSignal.abort() }), { code: 'INTERRUPTED' })
  await t.rejects(run.finish({ wait: true, signal: AbortSignal.timeout(300) }), {
    code: 'INTERRUPTED',
  })
})

t.test('an artifact built in another store cannot be logged', async t => {
  const artifact = new Artifact({ name: 'cats', type: 'dataset', home: t.testdir() })
  const run = await init()
  t.throws(() => run.logArtifact(artifact), { name: 'TypeError' })
  t.equal(artifact.isDraft(), true)
})
