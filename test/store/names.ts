import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { mountImage } from '../../fixtures/mount-image.js'
import { listTree, logTree } from '../../fixtures/store/log-tree.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { findFold, NameClashes } from '../../src/store/name-clashes.js'
import { openStore } from '../../src/store/store.js'

/** Names that some file system takes for one. */
const composed = 'caf\u00e9'
const decomposed = 'cafe\u0301'
const files = { a: '1', A: '22', [composed]: '333', [decomposed]: '4444', 'd/x': '5', 'D/y': '66' }

function openStoreIn(t: Test) {
  const base = t.testdir({})
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  const log = async (some: Record<string, string>) => {
    const { id } = await logFiles(store, some)
    return (await store.catalog.getVersion(id))!
  }
  return { base, store, log }
}

t.test('names that differ by case or normal form are kept where the file system can', async t => {
  const { base, store, log } = openStoreIn(t)
  if (findFold(base)) return t.plan(0, 'this file system folds names')
  const version = await log(files)
  const root = join(base, 'out')
  for (const state of ['new', 'there']) {
    await checkoutVersion(store, version, root)
    const found = listTree(root).map(path => [path, readFileSync(join(root, path), 'utf8')])
    t.same(Object.fromEntries(found), files, state)
  }
  const again = await logTree(store, root, 'again')
  t.equal(again.digest, version.digest, 'they are logged as they are')
})

t.test('entries that would become one file are refused by name', async t => {
  const { folder, skip } = mountImage(t, 'exfat')
  if (skip !== undefined) return t.plan(0, skip)
  const { store, log } = openStoreIn(t)
  const clashes: [some: Record<string, string>, named: [string, string]][] = [
    [{ a: '1', b: '2', A: '3' }, ['A', 'a']],
    [{ 'deep/er/x': '1', 'deep/er/X': '1' }, ['deep/er/X', 'deep/er/x']],
    [{ 'd/x': '1', 'D/y': '2' }, ['D', 'd']],
    [{ ä: '1', Ä: '2' }, ['Ä', 'ä']],
  ]
  const there = join(folder, 'there')
  mkdirSync(there)
  writeFileSync(join(there, 'mine'), 'mine')
  for (const [some, named] of clashes) {
    const version = await log(some)
    for (const root of [there, join(folder, 'new')]) {
      for (const overwrite of [false, true]) {
        const checkout = checkoutVersion(store, version, root, { overwrite })
        await t.rejects(checkout, { code: 'CHECKOUT_CONFLICT', details: { named } })
      }
    }
    t.same(readdirSync(folder), ['there'])
    t.same(readdirSync(there), ['mine'], 'nothing was written')
  }
  const version = await log({ 'd/x': '1', 'd/y': '2', e: '3', [composed]: '4' })
  t.match(await checkoutVersion(store, version, there), { written: 4 })
  t.match(await checkoutVersion(store, version, there), { kept: 4 })
})

t.test('clashes are found in every folder, and only there', t => {
  const clashes = new NameClashes(name => name.normalize('NFC').toLowerCase())
  const paths = ['B/a', 'B/c/a', 'B/c/d', `B/${decomposed}`, 'a/A', 'a/b/C', 'a/b/a', 'c']
  for (const path of paths) t.equal(clashes.add(path), undefined, path)
  t.same(clashes.add(composed), undefined)
  t.same(clashes.add(decomposed), [composed, decomposed])
  t.same(clashes.add('b/x'), ['B', 'b'])
  t.end()
})
