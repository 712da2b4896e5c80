import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { type AddDirOptions, Artifact } from '../../src/index.js'

useHome(t)

async function list(root: string, options: AddDirOptions = {}): Promise<string[]> {
  const artifact = new Artifact({ name: 'a', type: 'dataset' })
  await artifact.addDir(root, options)
  return listEntries(artifact)
}

t.test('links to files and folders are followed', async t => {
  const root = t.testdir({
    data: { real: { 'x.txt': 'x' }, 'y.txt': 'y' },
    elsewhere: { deep: { 'z.txt': 'z' } },
  })
  const data = join(root, 'data')
  symlinkSync('../elsewhere', join(data, 'folder'))
  symlinkSync('y.txt', join(data, 'file'))
  symlinkSync('real', join(data, 'twin'))
  symlinkSync('folder', join(data, 'link-to-link'))
  symlinkSync('data', join(root, 'start'))
  const wanted = ['file', 'folder/deep/z.txt', 'link-to-link/deep/z.txt', 'real/x.txt']
  t.same(await list(data), [...wanted, 'twin/x.txt', 'y.txt'])
  t.same(await list(join(root, 'start')), [...wanted, 'twin/x.txt', 'y.txt'])

  const artifact = new Artifact({ name: 'links', type: 'dataset' })
  await artifact.addFile(join(data, 'file'))
  t.same(await listEntries(artifact), ['file'], 'the name is that of the link')
  const out = await (await artifact.save()).download({ root: join(root, 'out') })
  t.equal(readFileSync(join(out, 'file'), 'utf8'), 'y', 'the content that of its target')
})

t.test(
  'a link that leads back into a folder it is in is an error, not an endless walk',
  async t => {
    const root = t.testdir({ a: { b: {} }, other: {} })
    symlinkSync('..', join(root, 'a/b/up'))
    const wanted = { code: 'FILE_UNSUPPORTED', details: { file: join(root, 'a/b/up') } }
    await t.rejects(list(root), wanted)
    symlinkSync(root, join(root, 'other/top'))
    await t.rejects(list(join(root, 'other')), { code: 'FILE_UNSUPPORTED' })
  },
)

t.test('empty folders leave no trace', async t => {
  const root = t.testdir({ empty: { deeper: {} }, 'a.txt': 'a' })
  t.same(await list(root), ['a.txt'])
  t.same(await list(join(root, 'empty')), [])
})

t.test('names keep every character that an artifact can hold', async t => {
  const names = [
    ' a ',
    'a\\b',
    '😀',
    '\u00e9',
    'e\u0301',
    '-n',
    '*',
    '#x',
    '!x',
    'a\tb',
    '.hidden',
    'CON',
    '%2e',
  ]
  const root = t.testdir(Object.fromEntries(names.map(name => [name, name])))
  t.same(await list(root), names.toSorted())
})

t.test('patterns leave files out', async t => {
  const root = t.testdir({
    'a.tmp': '',
    'a.TMP': '',
    'keep.txt': '',
    sub: { 'b.tmp': '', 'important.tmp': '', 'keep.txt': '', build: { 'x.o': '' } },
    logs: { 'today.log': '', keep: { 'x.log': '' } },
  })
  const rows: [patterns: string[], left: string[]][] = [
    [
      ['*.tmp'],
      ['a.TMP', 'keep.txt', 'logs/keep/x.log', 'logs/today.log', 'sub/build/x.o', 'sub/keep.txt'],
    ],
    [['*', '!keep.txt'], ['keep.txt']],
    [
      ['*', '!*/', '!keep.txt'],
      ['keep.txt', 'sub/keep.txt'],
    ],
    [
      ['/sub', '/logs'],
      ['a.TMP', 'a.tmp', 'keep.txt'],
    ],
    [['sub/', 'logs/', 'a.*'], ['keep.txt']],
    [
      ['**/build/', 'logs', '*.tmp', '!important.tmp'],
      ['a.TMP', 'keep.txt', 'sub/important.tmp', 'sub/keep.txt'],
    ],
    [
      ['logs/*', '!logs/keep', 'sub', 'a.*'],
      ['keep.txt', 'logs/keep/x.log'],
    ],
    [['# a comment', '', 'sub', 'logs', 'a.*'], ['keep.txt']],
  ]
  for (const [ignore, left] of rows) t.same(await list(root, { ignore }), left, ignore.join(' '))
  t.equal((await list(root, { ignore: [] })).length, 9)
})

t.test('patterns are matched below the folder, not against its own path or prefix', async t => {
  const root = t.testdir({ tmp: { 'a.txt': 'a', tmp: { 'b.txt': 'b' } } })
  const ignore = ['tmp']
  t.same(await list(join(root, 'tmp'), { ignore, name: 'tmp' }), ['tmp/a.txt'])
})

t.test('a folder may say itself what to leave out', async t => {
  const root = t.testdir({
    '.artifactignore': '*.tmp\r\n# comment\n\nbuild/\n',
    'a.tmp': '',
    'a.txt': '',
    build: { 'x.o': '' },
    sub: { 'b.tmp': '', '.artifactignore': 'c.txt', 'c.txt': '' },
  })
  const left = ['.artifactignore', 'a.txt', 'sub/.artifactignore', 'sub/c.txt']
  for (const policy of ['mutable', 'immutable'] as const) {
    t.same(await list(root, { policy }), left, policy)
    t.same(await list(root, { policy, ignore: ['sub', '.artifactignore'] }), ['a.txt'], policy)
  }
})

t.test('rules that are given come after those of the folder', async t => {
  const root = t.testdir({
    '.artifactignore': '*.tmp\n!b.tmp',
    'a.tmp': '',
    'b.tmp': '',
    'c.txt': '',
  })
  const rows: [ignore: string[], left: string[]][] = [
    [[], ['b.tmp', 'c.txt']],
    [['*.tmp'], ['c.txt']],
    [['!a.tmp'], ['a.tmp', 'b.tmp', 'c.txt']],
  ]
  for (const policy of ['mutable', 'immutable'] as const) {
    for (const [ignore, left] of rows) {
      const found = await list(root, { policy, ignore })
      t.same(found, ['.artifactignore', ...left], `${policy} ${ignore}`)
    }
  }
})

t.test('links may be refused', async t => {
  const root = t.testdir({ 'a.txt': 'a', sub: {} })
  symlinkSync('../a.txt', join(root, 'sub/link'))
  const wanted = { code: 'FILE_UNSUPPORTED', details: { file: join(root, 'sub/link') } }
  for (const policy of ['mutable', 'immutable'] as const) {
    await t.rejects(list(root, { policy, symlinks: 'refuse' }), wanted, policy)
    t.same(await list(root, { policy, symlinks: 'refuse', ignore: ['link'] }), ['a.txt'], policy)
    t.same(await list(root, { policy }), ['a.txt', 'sub/link'], policy)
  }
})

t.test('links that are ignored may lead anywhere', async t => {
  const root = t.testdir({ 'a.txt': 'a' })
  symlinkSync('nowhere', join(root, 'dangling'))
  symlinkSync('.', join(root, 'cycle'))
  t.same(await list(root, { ignore: ['dangling', 'cycle/'] }), ['a.txt'])
})

t.test('a tree that is deep', async t => {
  const root = t.testdir({})
  let path = root
  for (let depth = 0; depth < 300; depth += 1) path = join(path, 'd')
  mkdirSync(path, { recursive: true })
  symlinkSync('/etc/hostname', join(path, 'leaf'))
  t.same(await list(root), [`${'d/'.repeat(300)}leaf`])
})
