import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact, type Policy } from '../../src/index.js'

const { folder, home } = useHome(t)
const POLICIES: Policy[] = ['mutable', 'immutable']

const make = () => new Artifact({ name: 'a', type: 'dataset' })

/** A path of bytes that are not UTF-8; undefined where the file system has no such names. */
function writeLatin1(root: string, path: string): Buffer | undefined {
  const file = Buffer.from(join(root, path), 'latin1')
  try {
    writeFileSync(file, 'x')
    return file
  } catch {
    return undefined
  }
}

async function refuses(
  t: Test,
  root: string,
  wanted: { code: string; [key: string]: unknown },
): Promise<void> {
  for (const policy of POLICIES) await t.rejects(make().addDir(root, { policy }), wanted, policy)
  await t.rejects(make().addReference(pathToFileURL(root).href), wanted, 'reference')
}

t.test('names that are not UTF-8 are refused by name', async t => {
  const root = t.testdir({ data: { 'a.txt': 'a', sub: {} } })
  const data = join(root, 'data')
  if (!writeLatin1(data, 'sub/caf\xe9')) return t.plan(0, 'this file system wants UTF-8')
  const file = join(data, 'sub/caf\xe9')
  await refuses(t, data, {
    code: 'FILE_UNSUPPORTED',
    message: /caf\xe9 .*not UTF-8/,
    details: { file },
  })
  t.same(await listIgnoring(data, 'sub'), ['a.txt'], 'a folder with such names can be left out')
  await t.rejects(make().addFile(join(data, 'sub', String(readdirSync(join(data, 'sub'))))), {
    code: 'FILE_NOT_FOUND',
  })
})

async function listIgnoring(root: string, ...ignore: string[]): Promise<string[]> {
  const artifact = make()
  await artifact.addDir(root, { ignore })
  return listEntries(artifact)
}

t.test('a character that stands for what is not UTF-8 is one like others', async t => {
  const root = t.testdir({ 'a\ufffdb': 'x' })
  for (const policy of POLICIES) {
    const artifact = make()
    await artifact.addDir(root, { policy })
    t.same(await listEntries(artifact), ['a\ufffdb'], policy)
  }
})

t.test('names that differ only by normal form or case stay two', async t => {
  const names = ['A', 'a', 'cafe\u0301', 'caf\u00e9']
  const root = t.testdir({})
  for (const name of names) writeFileSync(join(root, name), name)
  if (readdirSync(root).length < names.length) return t.plan(0, 'this file system folds names')
  for (const policy of POLICIES) {
    const artifact = make()
    await artifact.addDir(root, { policy })
    for (const name of names)
      await artifact.addFile(join(root, name), { name: `one/${name}`, policy })
    t.same(await listEntries(artifact), [...names, ...names.map(name => `one/${name}`)], policy)
  }
})

t.test('names as long as they may be, and deep folders', async t => {
  const long = 'n'.repeat(255)
  const root = t.testdir({ [long]: { [long]: 'x' } })
  t.same(await listIgnoring(root), [`${long}/${long}`])
  const outer = t.testdir({})
  let deep = outer
  for (let at = 0; at < 15; at += 1) deep = join(deep, long)
  mkdirSync(deep, { recursive: true })
  writeFileSync(join(deep, 'x'), 'x')
  t.match((await listIgnoring(outer))[0], /^(?:n{255}\/){15}x$/)
})

t.test('the store is no part of what it holds', async t => {
  mkdirSync(join(folder, 'data'), { recursive: true })
  writeFileSync(join(folder, 'data', 'x'), 'x')
  for (const policy of POLICIES) {
    const wanted = {
      code: 'FILE_UNSUPPORTED',
      message: /the store itself/,
      details: { file: home },
    }
    await t.rejects(make().addDir(folder, { policy }), wanted, policy)
    await t.rejects(make().addDir(home, { policy }), wanted, policy)
    const artifact = make()
    await artifact.addDir(folder, { policy, ignore: ['home'] })
    t.same(await listEntries(artifact), ['data/x'], policy)
  }
})
