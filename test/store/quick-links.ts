import { lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { mountImage } from '../../fixtures/mount-image.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import type { LinkMode } from '../../src/store/object-linker.js'
import { openStore } from '../../src/store/store.js'

const large = Buffer.alloc(600_000, 'large ')

/** How many threads a checkout of a version of one large file starts. */
async function countThreads(t: Test, base: string, options: { link: LinkMode; verify?: boolean }) {
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'large.bin'), large)
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  const version = await logTree(store, source)
  let threads = 0
  const count = () => {
    threads += 1
  }
  process.on('worker', count)
  const out = join(base, 'out')
  await checkoutVersion(store, version, out, options)
  process.off('worker', count)
  t.same(readFileSync(join(out, 'large.bin')), large)
  return { threads, isLink: lstatSync(join(out, 'large.bin')).isSymbolicLink() }
}

t.test('one large file is linked without a thread', async t => {
  const base = t.testdir({ hardlink: {}, symlink: {} })
  for (const link of ['hardlink', 'symlink'] as const) {
    const { threads, isLink } = await countThreads(t, join(base, link), { link })
    t.same({ threads, isLink }, { threads: 0, isLink: link === 'symlink' })
  }
})

t.test('one that is hashed or copied has a thread', async t => {
  const base = t.testdir({ hashed: {}, copied: {} })
  const hashed = await countThreads(t, join(base, 'hashed'), { link: 'symlink', verify: true })
  t.equal(hashed.threads, 1)
  t.equal((await countThreads(t, join(base, 'copied'), { link: 'copy' })).threads, 1)
})

t.test('one large file is cloned without a thread', async t => {
  const { folder, skip } = mountImage(t, 'xfs')
  if (skip !== undefined) return t.plan(0, skip)
  t.equal((await countThreads(t, folder, { link: 'reflink' })).threads, 0)
})
