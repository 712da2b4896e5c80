import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder, home } = useHome(t, {
  one: { 'a.txt': 'one', sub: { 'b.txt': 'same' } },
  two: { 'a.txt': 'two', sub: { 'b.txt': 'same' } },
})
const cli = cliIn(folder, home)
const read = (...path: string[]) => readFileSync(join(folder, ...path), 'utf8')

t.before(async () => {
  await cli(['put', 'one', '-n', 'p/cats', '-a', 'best'])
  await cli(['put', 'two', '-n', 'p/cats'])
})

t.test('a version is written to ./artifacts/NAME-vN', async t => {
  const { code, json, stderr } = await cli(['get', 'p/cats', '--json'])
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(json, {
    root: join(folder, 'artifacts/cats-v1'),
    id: /^[0-9a-f]{32}$/,
    version: 'v1',
    fileCount: 2,
    size: 7,
    downloadedBytes: 0,
    resolved: 'local',
    asOf: null,
  })
  t.equal(read('artifacts/cats-v1/a.txt'), 'two')
  t.equal(read('artifacts/cats-v1/sub/b.txt'), 'same')
  const text = await cli(['get', 'p/cats:best'])
  t.match(text.stdout, /p\/cats:v0 → .*artifacts\/cats-v0 {2}2 files, 7 B; 0 B fetched/)
  t.equal(read('artifacts/cats-v0/a.txt'), 'one')
})

t.test('by alias, number and id, to a root', async t => {
  const { id } = (await cli(['show', 'p/cats:v0', '--json'])).json
  const names = ['p/cats:best', 'p/cats:v0', `p/cats@${id}`, `p/cats@${id.slice(0, 8)}`]
  for (const name of [...names, 'default/p/cats:v0']) {
    const { json } = await cli(['get', name, '--root', 'deep/er/out', '--json'])
    t.match(json, { root: join(folder, 'deep/er/out'), version: 'v0' }, name)
  }
  t.equal(read('deep/er/out/a.txt'), 'one')
  const env = { ARTIFACT_PROJECT: 'p' }
  t.equal((await cli(['get', 'cats:v1', '--root', 'by-env', '--json'], { env })).json.version, 'v1')
})

t.test('files of others stay, known content is replaced, unknown content is not', async t => {
  const root = t.testdir({ 'mine.txt': 'mine', 'a.txt': 'one' })
  const get = (name: string, ...more: string[]) =>
    cli(['get', name, '--root', root, '--json', ...more])
  t.equal((await get('p/cats:v1')).code, 0, 'the content of v0 is in the store')
  const text = (name: string) => readFileSync(join(root, name), 'utf8')
  t.equal(text('a.txt'), 'two')
  t.equal(text('mine.txt'), 'mine')

  writeFileSync(join(root, 'a.txt'), 'edited by hand')
  const refused = await get('p/cats:v0')
  t.equal(refused.code, 1)
  t.match(refused.error, { code: 'CHECKOUT_CONFLICT', message: /a\.txt/ })
  t.equal(refused.stdout, '')
  t.equal(text('a.txt'), 'edited by hand')

  t.equal((await get('p/cats:v0', '--overwrite')).code, 0)
  t.equal(text('a.txt'), 'one')
  t.equal(text('mine.txt'), 'mine')
  t.same(readdirSync(root).sort(), ['a.txt', 'mine.txt', 'sub'])
})

t.test('nothing is written where something is in the way', async t => {
  const rows: [tree: Parameters<typeof t.testdir>[0], named: RegExp][] = [
    [{ 'a.txt': { 'in the way': '' } }, /a\.txt/],
    [{ sub: 'in the way' }, /sub/],
  ]
  for (const [tree, named] of rows) {
    const root = t.testdir(tree)
    for (const more of [[], ['--overwrite']]) {
      const { code, error } = await cli(['get', 'p/cats', '--root', root, '--json', ...more])
      t.match({ code, error }, { code: 1, error: { code: 'CHECKOUT_CONFLICT', message: named } })
    }
    t.same(readdirSync(root), Object.keys(tree!))
  }
  const root = t.testdir({ file: 'x', out: {}, elsewhere: {} })
  const onFile = await cli(['get', 'p/cats', '--root', join(root, 'file'), '--json'])
  t.match(onFile.error, { code: 'CHECKOUT_CONFLICT' })
  t.equal((await cli(['get', 'p/cats', '--root', join(root, 'file/x')])).code, 1)
  symlinkSync('../elsewhere', join(root, 'out/sub'))
  const onLink = await cli(['get', 'p/cats', '--root', join(root, 'out'), '--json'])
  t.match(onLink.error, { code: 'CHECKOUT_CONFLICT', message: /sub/ })
  t.same(readdirSync(join(root, 'elsewhere')), [], 'no link leads out of the root')
})

t.test('names that lead nowhere', async t => {
  const rows: [name: string, exit: number, code: string][] = [
    ['p/dogs', 3, 'ARTIFACT_NOT_FOUND'],
    ['cats', 3, 'ARTIFACT_NOT_FOUND'],
    ['p/cats:v2', 3, 'VERSION_NOT_FOUND'],
    ['p/cats:worst', 3, 'VERSION_NOT_FOUND'],
    ['p/cats@0123456789', 3, 'VERSION_NOT_FOUND'],
    ['p/cats:', 2, 'INVALID_REFERENCE'],
    ['p/cats@x', 2, 'INVALID_REFERENCE'],
    ['p/my cats', 2, 'INVALID_NAME'],
    ['a/b/c/d', 2, 'INVALID_REFERENCE'],
  ]
  for (const [name, exit, code] of rows) {
    for (const command of ['get', 'show', 'verify']) {
      const failed = await cli([command, name, '--json'])
      const found = { exit: failed.code, code: failed.error.code, stdout: failed.stdout }
      t.same(found, { exit, code, stdout: '' }, `${command} ${name}`)
    }
  }
  const text = await cli(['get', 'p/dogs'])
  t.match(text.stderr, /^artifact: .*p\/dogs.*\(ARTIFACT_NOT_FOUND\)\n {2}.*artifact ls/)
})
