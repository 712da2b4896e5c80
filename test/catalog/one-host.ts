import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runNode } from '../../fixtures/run-node.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'

const TRY_LOCK = fileURLToPath(new URL('../../fixtures/catalog/try-lock.js', import.meta.url))

async function tryLock(home: string): Promise<string> {
  const { stdout, stderr } = await runNode([TRY_LOCK, home])
  return stdout.trim() || stderr
}

t.test('a process that opens a store several times at once keeps its lock', async t => {
  const folder = t.testdir()
  const home = join(folder, 'home')
  mkdirSync(home)
  symlinkSync(home, join(folder, 'link'))
  const opened = [home, home, join(folder, 'link'), home].map(path => openCatalog(path))
  await Promise.all(opened.map(({ catalog }) => catalog.listPending()))
  t.equal(await tryLock(home), 'held')
  // The first of them is the host, or another; then one of the others is.
  for (const { close } of opened.slice(0, 3)) {
    await close()
    await opened[3]!.catalog.listPending()
    t.equal(await tryLock(home), 'held')
  }
  await opened[3]!.close()
  t.equal(await tryLock(home), 'free')
})
