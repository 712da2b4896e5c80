import t, { type Test } from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact, type ArtifactOptions, init } from '../../src/index.js'

const make = (options: Partial<ArtifactOptions> = {}) =>
  new Artifact({ name: 'cats', type: 'dataset', ...options })

const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [i, i]))

const { folder } = useHome(t, { 'a.txt': 'a', sub: { 'b.txt': 'b' } })

function refuses(t: Test, work: () => unknown, code: string, what: string): void {
  t.throws(work, { name: 'ArtifactError', code }, what)
}

t.test('names, types, descriptions and metadata are checked when an artifact is made', async t => {
  for (const name of ['a', 'A-1_b.c', '..a', '-', 'x'.repeat(128)]) {
    t.equal(make({ name }).name, name)
  }
  for (const name of ['', 'a b', 'a/b', 'a:b', 'a@b', 'ä', '.', '..', 'a\n', 'x'.repeat(129)]) {
    refuses(t, () => make({ name }), 'INVALID_NAME', JSON.stringify(name))
  }
  for (const type of ['dataset', 'model', 'my type', 'code', 'run_table', 'wandb']) {
    t.equal(make({ type }).type, type)
  }
  for (const type of ['', 'wandb-x', 'job', 'a/b', 'a:b', 'a\nb']) {
    refuses(t, () => make({ type }), 'INVALID_TYPE', JSON.stringify(type))
  }
  refuses(t, () => make({ name: 'run-1', type: 'run_table' }), 'INVALID_TYPE', 'run_table')
  refuses(t, () => make({ name: 'source-1', type: 'code' }), 'INVALID_TYPE', 'code')
  t.same(make({ metadata: keys(100) }).metadata, keys(100))
  t.same(make({ metadata: { nan: Number.NaN, gone: undefined } }).metadata, { nan: null })
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  for (const metadata of [keys(101), { a: Infinity }, { a: 1n }, { a: () => {} }, cycle]) {
    refuses(t, () => make({ metadata }), 'INVALID_METADATA', Object.keys(metadata)[0]!)
  }
  const draft = make()
  t.throws(
    () => {
      draft.metadata = { a: -Infinity }
    },
    { code: 'INVALID_METADATA' },
  )
  t.same(draft.metadata, {}, 'what was refused changes nothing')
})

t.test('wrong kinds of arguments are TypeErrors', async t => {
  const wrong = [
    () => make({ name: 5 as never }),
    () => make({ type: null as never }),
    () => make({ description: 5 as never }),
    () => new Artifact(undefined as never),
    () => make().addFile(5 as never),
    () => make().addDir(undefined as never),
    () => make().newFile('a', 5 as never),
    () => make().newFile('a', null as never),
  ]
  for (const work of wrong) t.throws(work, { name: 'TypeError' }, String(work))
  const run = await init()
  t.throws(() => run.logArtifact('folder' as never), { name: 'TypeError' })
  t.throws(() => run.logArtifact(make(), { aliases: 'best' as never }), { name: 'TypeError' })
  t.throws(() => run.logArtifact(make(), { tags: [5] as never }), { name: 'TypeError' })
  await t.rejects(run.useArtifact(5 as never), { name: 'TypeError' })
  await t.rejects(make().newFile(5 as never), { name: 'TypeError' })
})

t.test('aliases and tags are checked before the artifact is closed', async t => {
  const run = await init({ project: 'rules' })
  const draft = make()
  await draft.newFile('a', 'a')
  for (const alias of ['', 'a/b', 'a:b', 'v0', 'v12', 'a\nb', 'x'.repeat(129)]) {
    const log = () => run.logArtifact(draft, { aliases: ['fine', alias] })
    refuses(t, log, 'INVALID_ALIAS', JSON.stringify(alias))
  }
  for (const tag of ['', ' a', 'a ', 'a/b', 'a,b']) {
    refuses(t, () => run.logArtifact(draft, { tags: [tag] }), 'INVALID_TAG', JSON.stringify(tag))
  }
  t.equal(draft.isDraft(), true)
  const aliases = ['best', 'latest', 'V1', 'v1.0', 'best', '@x', '..']
  const logged = run.logArtifact(draft, { aliases, tags: ['b c', 'a', 'b c'] })
  await run.finish()
  t.equal(logged.version, 'v0', 'refused logs use up no number')
  t.same(logged.aliases.sort(), ['..', '@x', 'V1', 'best', 'latest', 'v1.0'])
  t.same(logged.tags, ['b c', 'a'])
})

t.test('projects and entities are checked by init and save', async t => {
  for (const project of ['', 'a/b', 'a:b', 'a?b', 'a#b', 'a%b', 'a\\b', '..', 'x'.repeat(129)]) {
    await t.rejects(init({ project }), { code: 'INVALID_NAME' }, JSON.stringify(project))
    await t.rejects(make().save({ project }), { code: 'INVALID_NAME' })
  }
  await t.rejects(init({ entity: 'a/b' }), { code: 'INVALID_NAME' })
  await t.rejects(init({ remote: 'ftp://x' }), { code: 'INVALID_CONFIG' })
  t.equal((await init()).project, 'uncategorized')
})

const PATHS: [given: string, path: string][] = [
  ['a//b', 'a/b'],
  ['./q', 'q'],
  ['q/', 'q'],
  ['a/./b', 'a/b'],
  ['a\\b', 'a\\b'],
  ['...', '...'],
  ['..a/b..', '..a/b..'],
  ['a b\tc', 'a b\tc'],
  ['~/x', '~/x'],
]
const NO_PATHS = ['', '.', './', '/', '/a', '..', '../a', 'a/..', 'a/../b', 'C:/a', 'C:\\a', 'a\nb']
NO_PATHS.push('a\0b', '\ud800', 'x'.repeat(256), 'x/'.repeat(2100))

t.test('paths in an artifact are relative and canonical', async t => {
  for (const [given, path] of PATHS) {
    const artifact = make()
    await artifact.newFile(given, 'x')
    await artifact.addFile(`${folder}/a.txt`, { name: `1/${given}` })
    await artifact.addDir(`${folder}/sub`, { name: `2/${given}` })
    t.same(await listEntries(artifact), [`1/${path}`, `2/${path}/b.txt`, path].sort(), given)
  }
  for (const given of NO_PATHS) {
    const shown = JSON.stringify(given.slice(0, 20))
    const refused = { code: 'INVALID_PATH' }
    await t.rejects(make().newFile(given, 'x'), refused, `newFile ${shown}`)
    await t.rejects(
      make().newFile(given, () => t.fail('the function of a refused path is not called')),
      refused,
    )
    await t.rejects(make().addFile(`${folder}/a.txt`, { name: given }), refused, `addFile ${shown}`)
    await t.rejects(make().addDir(`${folder}/sub`, { name: given }), refused, `addDir ${shown}`)
  }
})

t.test('entries are in the order of the UTF-8 bytes of their paths', async t => {
  const names = ['b', 'a', 'a/'.concat('z'), '\u{1f600}', '\uffee', 'é', 'B', 'a.b'].filter(
    name => name !== 'a',
  )
  const artifact = make({ name: 'order' })
  for (const name of names) await artifact.newFile(name, name)
  const order = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  t.not(order.indexOf('\u{1f600}'), names.toSorted().indexOf('\u{1f600}'), 'code units differ')
  t.same(await listEntries(artifact), order)
  const logged = await artifact.save()
  t.same(await listEntries(logged), order)
  for await (const { path, digest, size } of logged.entries()) {
    t.match(digest, /^xxh128:[0-9a-f]{32}$/)
    t.equal(size, Buffer.byteLength(path))
  }
})
