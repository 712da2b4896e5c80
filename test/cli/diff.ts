import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder, home } = useHome(t, {
  tree: { a: 'a', b: 'bb', c: 'ccc', d: 'dddd', e: 'e' },
})
const cli = cliIn(folder, home)

t.before(async () => {
  await cli(['put', 'tree', '-n', 'p/cats', '-a', 'before'])
  writeFileSync(join(folder, 'tree/a'), 'A')
  rmSync(join(folder, 'tree/b'))
  rmSync(join(folder, 'tree/d'))
  writeFileSync(join(folder, 'tree/moved'), 'dddd')
  writeFileSync(join(folder, 'tree/c'), 'longer')
  writeFileSync(join(folder, 'tree/new'), 'new file')
  await cli(['put', 'tree', '-n', 'p/cats'])
})

t.test('diff prints a line for each file that differs, and exits 1', async t => {
  const { code, stdout, stderr } = await cli(['diff', 'p/cats:before', 'p/cats'])
  t.equal(code, 1)
  t.equal(stderr, '')
  t.same(stdout.split('\n'), [
    'M  a  1 B',
    'D  b  2 B',
    'M  c  3 B → 6 B',
    'R  d → moved  4 B',
    'A  new  8 B',
    'p/cats:v0 → p/cats:v1  1 file added (8 B), 1 file removed (2 B), ' +
      '2 files changed (7 B), 1 file moved (4 B)',
    '',
  ])
})

t.test('with --json it prints one value, entries whole', async t => {
  const { code, json } = await cli(['diff', 'p/cats:v0', 'p/cats:v1', '--json'])
  t.equal(code, 1)
  t.match(json, {
    before: { project: 'p', name: 'cats', version: 'v0', fileCount: 5, size: 11 },
    after: { version: 'v1', fileCount: 5, size: 20 },
    changes: [
      { kind: 'changed', path: 'a', before: { path: 'a', size: 1 }, after: { path: 'a', size: 1 } },
      { kind: 'removed', path: 'b', before: { digest: /^xxh128:/, size: 2 } },
      { kind: 'changed', path: 'c' },
      { kind: 'moved', path: 'moved', from: 'd' },
      { kind: 'added', path: 'new', after: { size: 8 } },
    ],
    totals: {
      added: { files: 1, bytes: 8 },
      removed: { files: 1, bytes: 2 },
      changed: { files: 2, bytes: 7 },
      moved: { files: 1, bytes: 4 },
    },
  })
})

t.test('equal versions exit 0; what is not there is named', async t => {
  const same = await cli(['diff', 'p/cats', 'p/cats:v1'])
  t.match(same, { code: 0, stdout: 'p/cats:v1 → p/cats:v1  no difference\n' })
  t.same((await cli(['diff', 'p/cats', 'p/cats:v1', '--json'])).json.changes, [])
  const missing = await cli(['diff', 'p/cats', 'p/dogs', '--json'])
  t.match(missing, { code: 3, error: { code: 'ARTIFACT_NOT_FOUND' } })
  t.equal((await cli(['diff', 'p/cats'])).code, 2)
})

t.test('what is longer than a pipe holds arrives whole', async t => {
  const many = join(folder, 'many')
  const names = Array.from({ length: 4000 }, (_, n) => `${'long-name-'.repeat(8)}${n}`)
  await cli(['put', 'tree', '-n', 'p/many'])
  mkdirSync(many)
  for (const name of names) writeFileSync(join(many, name), name)
  await cli(['put', 'many', '-n', 'p/many'])
  const { code, json } = await cli(['diff', 'p/many:v0', 'p/many:v1', '--json'])
  t.equal(code, 1)
  t.equal(json.changes.length, 4005)
})
