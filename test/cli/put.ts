import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'
import { init } from '../../src/index.js'

const { folder, home } = useHome(t, {
  'a.txt': 'a',
  'b.txt': 'bb',
  'a=b': 'equals',
  'year=2024': { 'x.csv': '1,2' },
  cats: { 'tom.png': 'tom', sub: { 'felix.png': 'felix' } },
  'meta.json': '{"from": "file"}',
  'broken.json': '{',
})
const cli = cliIn(folder, home)

async function entriesOf(name: string): Promise<string[]> {
  return listEntries(await (await init()).useArtifact(name))
}

t.test('a file becomes an artifact of its name', async t => {
  const { code, json, stderr } = await cli(['put', 'a.txt', '--json'])
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(json, {
    entity: 'default',
    project: 'uncategorized',
    name: 'a.txt',
    id: /^[0-9a-f]{32}$/,
    version: 'v0',
    type: 'dataset',
    digest: /^[0-9a-f]{32}$/,
    size: 1,
    fileCount: 1,
    aliases: ['latest'],
    state: 'pending',
    unchanged: false,
    dedup: { files: 0, bytes: 0, newBytes: 1 },
    warnings: [],
  })
  t.same(await entriesOf('a.txt'), ['a.txt'])
})

t.test('a folder becomes an artifact of its name, with its content at the top', async t => {
  const { json } = await cli(['put', './cats/', '--json'])
  t.match(json, { name: 'cats', fileCount: 2, size: 8 })
  t.same(await entriesOf('cats'), ['sub/felix.png', 'tom.png'])
  const here = await cli(['put', '.', '--json'], { cwd: join(folder, 'cats') })
  t.match(here.json, { name: 'cats', unchanged: true })
})

t.test('several paths, with names of their own', async t => {
  const paths = ['a.txt', 'b.txt=texts/second.txt', 'cats=pictures', join(folder, 'cats/sub')]
  t.match((await cli(['put', ...paths, '-n', 'mixed', '--json'])).json, { fileCount: 5 })
  const wanted = ['a.txt', 'felix.png', 'pictures/sub/felix.png', 'pictures/tom.png']
  t.same(await entriesOf('mixed'), [...wanted, 'texts/second.txt'])
})

t.test('of a path with "=", the longest that exists is the path', async t => {
  const rows: [argument: string, entries: string[]][] = [
    ['a=b', ['a=b']],
    ['a=b=c', ['c']],
    ['a.txt=b=c', ['b=c']],
    ['year=2024', ['x.csv']],
    ['year=2024=year=2024', ['year=2024/x.csv']],
    ['./a.txt=x/y', ['x/y']],
  ]
  for (const [argument, entries] of rows) {
    const name = `equals-${rows.findIndex(row => row[0] === argument)}`
    t.equal((await cli(['put', argument, '-n', name])).code, 0, argument)
    t.same(await entriesOf(name), entries, argument)
  }
  for (const argument of ['a.txt=', 'cats=', 'a.txt=../x', 'cats=/x']) {
    const { code, error } = await cli(['put', argument, '-n', 'bad', '--json'])
    t.match({ code, error }, { code: 2, error: { code: 'INVALID_PATH' } }, argument)
  }
})

t.test('names of projects and entities', async t => {
  const put = async (name: string, env = {}) =>
    (await cli(['put', 'a.txt', '-n', name, '--json'], { env })).json
  t.match(await put('animals/cats'), { entity: 'default', project: 'animals', name: 'cats' })
  t.match(await put('me/animals/cats'), { entity: 'me', project: 'animals', version: 'v0' })
  const env = { ARTIFACT_PROJECT: 'from-env', ARTIFACT_ENTITY: 'us' }
  t.match(await put('cats', env), { entity: 'us', project: 'from-env' })
  t.match(await put('other/cats', env), { entity: 'us', project: 'other' })
})

t.test('types, aliases, descriptions and metadata', async t => {
  const options = ['-t', 'model', '-a', 'best', '--alias', 'prod', '-d', 'described']
  const put = await cli([
    'put',
    ...options,
    '--metadata',
    '{"split": {"a": 1}}',
    'a.txt',
    '-n',
    'm',
    '--json',
  ])
  t.equal(put.code, 0, put.stderr)
  t.equal(put.json.type, 'model')
  t.same(put.json.aliases.sort(), ['best', 'latest', 'prod'])
  const { json } = await cli(['show', 'm:best', '--json'])
  t.match(json, { type: 'model', description: 'described' })
  t.same(json.metadata, { split: { a: 1 } })

  await cli(['put', 'a.txt', '-n', 'from-file', '--metadata', '@meta.json'])
  t.same((await cli(['show', 'from-file', '--json'])).json.metadata, { from: 'file' })
  const rows: [metadata: string, exit: number, code: string][] = [
    ['{', 2, 'INVALID_METADATA'],
    ['[1]', 2, 'INVALID_METADATA'],
    ['5', 2, 'INVALID_METADATA'],
    ['@broken.json', 2, 'INVALID_METADATA'],
    ['@missing.json', 3, 'FILE_NOT_FOUND'],
  ]
  for (const [metadata, exit, code] of rows) {
    const failed = await cli(['put', 'a.txt', '--metadata', metadata, '-n', 'bad', '--json'])
    t.equal(failed.code, exit, metadata)
    t.equal(failed.error.code, code, metadata)
  }
})

t.test('unchanged content says so, moves aliases and warns of what was not applied', async t => {
  const name = 'animals/again'
  await cli(['put', 'a.txt', '-n', name, '-d', 'first', '--metadata', '{"a":1,"b":2}'])
  const same = ['-d', 'first', '--metadata', '{"b":2,"a":1}']
  const again = await cli(['put', 'a.txt', '-n', name, ...same])
  t.equal(again.code, 0)
  t.match(again.stdout, /animals\/again:v0 .*has this content already; no new version/)
  t.equal(again.stderr, '', 'what is the same needs no warning')

  const other = ['-a', 'best', '-d', 'second', '--metadata', '{}']
  const text = await cli(['put', 'a.txt', '-n', name, ...other])
  t.equal(text.code, 0)
  t.match(text.stderr, /warning: .*v0; the description given was not applied/)
  t.match(text.stderr, /warning: .*v0; the metadata given was not applied/)
  const { json, stderr } = await cli(['put', 'a.txt', '-n', name, ...other, '--json'])
  t.equal(stderr, '')
  t.match(json, { unchanged: true, version: 'v0', dedup: { files: 1, bytes: 1, newBytes: 0 } })
  t.same(json.aliases.sort(), ['best', 'latest'])
  t.equal(json.warnings.length, 2)
  t.match((await cli(['show', name, '--json'])).json, { description: 'first' })
})

t.test(
  'two sources for one entry are a conflict that names both, even of equal content',
  async t => {
    const rows = [
      ['a.txt', 'b.txt=a.txt'],
      ['a.txt', 'a.txt'],
      ['cats', 'a.txt=tom.png'],
      ['cats', 'cats/tom.png'],
      ['a.txt=x', 'b.txt=x/y'],
    ]
    for (const paths of rows) {
      const { code, error } = await cli(['put', ...paths, '-n', 'conflict', '--json'])
      t.equal(code, 1, paths.join(' '))
      t.equal(error.code, 'ENTRY_CONFLICT')
      const [first, second] = error.details.sources as string[]
      t.ok(error.message.includes(first!) && error.message.includes(second!), error.message)
    }
    t.equal((await cli(['show', 'conflict'])).code, 3, 'nothing was logged')
  },
)

t.test('what cannot be put', async t => {
  mkdirSync(join(folder, 'odd'))
  t.equal(spawnSync('mkfifo', [join(folder, 'odd/fifo')]).status, 0)
  const rows: [args: string[], exit: number, code: string][] = [
    [['missing.txt'], 3, 'FILE_NOT_FOUND'],
    [['a.txt', 'missing.txt=x'], 3, 'FILE_NOT_FOUND'],
    [['a.txt/x'], 3, 'FILE_NOT_FOUND'],
    [['/dev/null'], 1, 'FILE_UNSUPPORTED'],
    [['odd'], 1, 'FILE_UNSUPPORTED'],
    [['odd', '--policy', 'immutable'], 1, 'FILE_UNSUPPORTED'],
    [['a.txt', '-n', 'a b'], 2, 'INVALID_NAME'],
    [['a.txt', '-n', 'a/b/c/d'], 2, 'INVALID_REFERENCE'],
    [['a.txt', '-n', 'cats:best'], 2, 'INVALID_REFERENCE'],
    [['a=b'], 2, 'INVALID_NAME'],
    [['a.txt', '-t', 'wandb-x'], 2, 'INVALID_TYPE'],
    [['a.txt', '-a', 'v7'], 2, 'INVALID_ALIAS'],
    [['a.txt', '-a', 'a/b'], 2, 'INVALID_ALIAS'],
    [['a.txt', '--policy', 'sometimes'], 2, 'USAGE'],
    [[], 2, 'USAGE'],
    [['a.txt', '--wait'], 4, 'NO_REMOTE'],
  ]
  for (const [args, exit, code] of rows) {
    const { code: given, error, stdout } = await cli(['put', ...args, '--json'])
    t.match({ exit: given, code: error.code, stdout }, { exit, code, stdout: '' }, args.join(' '))
    t.type(error.hint, 'string')
  }
  await cli(['put', 'a.txt', '-n', 'typed', '-t', 'model'])
  const { code, error } = await cli(['put', 'b.txt', '-n', 'typed', '--json'])
  t.match({ code, error }, { code: 1, error: { code: 'TYPE_CONFLICT' } })
})

t.test('immutable files stay, and status names those that must', async t => {
  const args = ['put', 'cats', '--policy', 'immutable', '-n', 'in-place', '--json']
  const place = cliIn(folder, join(folder, 'home-in-place'))
  t.match((await place(args)).json, { version: 'v0', fileCount: 2 })
  const stay = [join(folder, 'cats/sub/felix.png'), join(folder, 'cats/tom.png')]
  const { json } = await place(['status', '--json'])
  t.same(json.versions[0].mustStay.sort(), stay)
  const { stdout } = await place(['status'])
  t.match(stdout, /2 files must stay unchanged until synced/)
  for (const file of stay) t.ok(stdout.includes(file))
  const out = (await place(['get', 'in-place', '--json'])).json.root
  t.equal(readFileSync(join(out, 'tom.png'), 'utf8'), 'tom')
})

t.test('what happens next is said', async t => {
  const text = (await cli(['put', 'b.txt', 'meta.json', '-n', 'next'])).stdout
  t.match(text, /next:v0 \(latest\) {2}2 files, 18 B; 16 B new, 2 B already stored/)
  t.match(text, /safe in .*home\. To sync it, name a server: artifact init --remote URL/)
  const remote = { ARTIFACT_REMOTE: 'http://127.0.0.1:9' }
  t.match((await cli(['put', 'b.txt'], { env: remote })).stdout, /artifact sync sends it to http/)
  const offline = { ...remote, ARTIFACT_MODE: 'offline' }
  t.match((await cli(['put', 'b.txt'], { env: offline })).stdout, /Offline: artifact sync sends/)
})
