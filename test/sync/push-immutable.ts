import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openStoreRemote } from '../../fixtures/store-remote.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact } from '../../src/index.js'
import { openStore } from '../../src/store/store.js'
import { pushPending } from '../../src/sync/push.js'

t.test('a file added as immutable is sent from its place, and fails once it changed', async t => {
  const { folder, home } = useHome(t, { 'stays.bin': 'x'.repeat(300_000), 'changes.txt': 'old' })
  for (const name of ['stays.bin', 'changes.txt']) {
    const artifact = new Artifact({ name, type: 'dataset' })
    await artifact.addFile(join(folder, name), { policy: 'immutable' })
    await artifact.save({ project: 'p' })
  }
  writeFileSync(join(folder, 'changes.txt'), 'new')

  const here = openStore(home)
  const there = openStore(join(folder, 'there'))
  t.teardown(() => Promise.all([here.close(), there.close()]))
  const url = 'http://remote.test'
  const remote = openStoreRemote(there, url)
  const report = await pushPending(here, () => remote, { defaultRemote: url })
  t.match(report.synced, [{ name: 'stays.bin', number: 0 }])
  t.match(report.failed, [{ name: 'changes.txt', error: { code: 'SOURCE_CHANGED' } }])
  t.match(report.failed[0]?.error.message, /changes\.txt/)
  t.same(
    (await there.catalog.listVersions({})).items.map(({ name }) => name),
    ['stays.bin'],
  )
})
