import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { isSettled, openHomes } from '../../fixtures/open-homes.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { listStoredFiles } from '../../src/store/list-stored-files.js'
import { writeConfig } from '../../src/store/settings.js'

const FILE_BYTES = 400_000
const LIMIT = 1_000_000

t.test('artifactd keeps the limit of the cache, and evicts nothing that is pending', async t => {
  const { home, store, serve } = openHomes(t)
  writeConfig(home, { cacheLimit: `${LIMIT}` })
  const bytes = () => listStoredFiles(home).reduce((sum, { size }) => sum + size, 0)
  const log = (name: string) =>
    logFiles(store, { 'a.bin': seededBytes(name, FILE_BYTES) }, { name })
  for (const name of ['one', 'two', 'three', 'four']) await log(name)
  t.ok(bytes() > LIMIT)
  const lost = spawnDaemon(t, home, { remote: 'http://127.0.0.1:9' })
  await waitUntil(async () => /cannot be|not|fail/i.test(lost.output()))
  lost.child.kill('SIGTERM')
  await lost.ended
  const states = async () =>
    (await store.catalog.listVersions({})).items.map(({ name, state, evicted = false }) => {
      return `${name} ${state} ${evicted}`
    })
  t.ok(bytes() > 4 * FILE_BYTES, 'above the limit, because all is pending')

  const { url } = await serve()
  spawnDaemon(t, home, { remote: url })
  await waitUntil(() => isSettled(store))
  await waitUntil(async () => bytes() <= LIMIT)
  t.same(await states(), [
    'four synced false',
    'one synced true',
    'three synced false',
    'two synced true',
  ])
  await log('five')
  await waitUntil(async () => (await isSettled(store)) && bytes() <= LIMIT)
  t.ok((await states()).includes('three synced true'))
})
