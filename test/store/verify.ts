import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { objectPath } from '../../src/model/home.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { openStore } from '../../src/store/store.js'
import { verifyFolder, verifyInStore } from '../../src/store/verify.js'

const large = Buffer.alloc(600_000, 'large ')
const source = {
  'a.txt': 'aaaa',
  'b.txt': 'bbbb',
  'large.bin': large,
  deep: { 'c.txt': 'cccc', er: { 'd.txt': 'dddd' } },
}
const bytes = large.length + 16

async function setUp(t: Test) {
  const base = t.testdir({ source })
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  const version = await logTree(store, join(base, 'source'))
  const root = join(base, 'out')
  await checkoutVersion(store, version, root)
  return { store, version, root }
}

t.test('what is whole has no problems', async t => {
  const { store, version, root } = await setUp(t)
  mkdirSync(join(root, 'empty folder'))
  const progress: unknown[] = []
  const onProgress = (step: unknown) => void progress.push(step)
  t.same(await verifyInStore(store, version, { onProgress }), { files: 5, bytes, problems: [] })
  t.same(await verifyFolder(store, version, root, { onProgress }), {
    files: 5,
    bytes,
    problems: [],
  })
  const last = { step: 'verify', files: 5, bytes, totalFiles: 5, totalBytes: bytes }
  t.same(progress, [last, last])
})

t.test('the store’s damaged and missing bytes are named', async t => {
  const { store, version, root } = await setUp(t)
  const hasher = await createHasher('xxh128')
  await damageBlob(store, hashBytes(hasher, Buffer.from('dddd')))
  await damageBlob(store, hashBytes(hasher, large))
  const { problems } = await verifyInStore(store, version)
  t.match(problems, [
    { path: 'deep/er/d.txt', problem: 'damaged', message: /deep\/er\/d\.txt/ },
    { path: 'large.bin', problem: 'damaged' },
  ])
  t.equal(problems.length, 2)
  t.notOk(existsSync(objectPath(store.home, hashBytes(hasher, large))), 'it was moved aside')
  t.match((await verifyInStore(store, version)).problems, [
    { path: 'deep/er/d.txt', problem: 'missing' },
    { path: 'large.bin', problem: 'missing' },
  ])
  t.same((await verifyFolder(store, version, root)).problems, [], 'the folder is not the store')
})

t.test('a folder’s differences are named, in path order', async t => {
  const { store, version, root } = await setUp(t)
  const at = (path: string) => join(root, path)
  writeFileSync(at('a.txt'), 'aaab')
  writeFileSync(at('b.txt'), 'bbbb and more')
  rmSync(at('deep/c.txt'))
  writeFileSync(at('deep/er/extra'), '')
  rmSync(at('large.bin'))
  symlinkSync('../source/large.bin', at('large.bin'))
  symlinkSync('nowhere', at('link to nowhere'))
  symlinkSync('deep', at('link to a folder'))
  // U+FF5E comes before U+1F600 in UTF-8, and after it in UTF-16.
  writeFileSync(at('\u{1f600}'), '')
  writeFileSync(at('\uff5e'), '')
  const { problems, files } = await verifyFolder(store, version, root)
  t.equal(files, 5)
  t.same(
    problems.map(({ path, problem }) => `${problem} ${path}`),
    [
      'differs a.txt',
      'differs b.txt',
      'missing deep/c.txt',
      'extra deep/er/extra',
      'differs large.bin',
      'extra link to a folder',
      'extra link to nowhere',
      'extra \uff5e',
      'extra \u{1f600}',
    ],
  )
})

t.test('a folder that became a link or a file is seen', async t => {
  const { store, version, root } = await setUp(t)
  const problemsOf = async () =>
    (await verifyFolder(store, version, root)).problems.map(
      ({ path, problem }) => `${problem} ${path}`,
    )
  rmSync(join(root, 'deep'), { recursive: true })
  t.same(await problemsOf(), ['missing deep/c.txt', 'missing deep/er/d.txt'])
  symlinkSync('../source/deep', join(root, 'deep'))
  t.same(await problemsOf(), ['extra deep', 'differs deep/c.txt', 'differs deep/er/d.txt'])
  rmSync(join(root, 'deep'))
  writeFileSync(join(root, 'deep'), '')
  t.same(await problemsOf(), ['extra deep', 'differs deep/c.txt', 'differs deep/er/d.txt'])
  rmSync(join(root, 'a.txt'))
  mkdirSync(join(root, 'a.txt'))
  t.equal((await problemsOf())[0], 'differs a.txt')
})

t.test('a folder that is not there, and a call that is cancelled', async t => {
  const { store, version, root } = await setUp(t)
  await t.rejects(verifyFolder(store, version, join(root, 'nowhere')), { code: 'FILE_NOT_FOUND' })
  const signal = AbortSignal.abort()
  await t.rejects(verifyFolder(store, version, root, { signal }), { code: 'INTERRUPTED' })
  await t.rejects(verifyInStore(store, version, { signal }), { code: 'INTERRUPTED' })
})
