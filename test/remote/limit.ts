import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { useHome } from '../../fixtures/use-home.js'
import { receiveRecords } from '../../src/store/receive-records.js'
import { readSettings } from '../../src/store/settings.js'
import { createRemoteOpener } from '../../src/sync/create-remote-opener.js'
import { pushPending } from '../../src/sync/push.js'

t.test('bodies in both directions take the time that the limit gives them', async t => {
  const { local, served, server } = await serveStores(t)
  const bytes = seededBytes('limit', 400_000)
  const open = (limit: number) => createRemoteOpener({ remote: null, apiKey: null, limit })
  await logFiles(local, { 'a.bin': bytes })
  const start = performance.now()
  const report = await pushPending(local, open(400_000), { defaultRemote: server.url })
  t.match(report, { synced: { length: 1 }, errors: [] })
  t.ok(performance.now() - start > 600, 'a second, less what may come at once')

  const stored = await served.ingest().addBytes('blob', [bytes.subarray(0, 150_000)])
  const { packs } = await served.ingest().finish()
  for (const pack of packs) await served.catalog.addPack(pack)
  const keys = stored.map(({ digest }) => ({ kind: 'blob' as const, digest, size: 150_000 }))
  const again = performance.now()
  const remote = open(150_001)(server.url)
  t.match(await receiveRecords(local, remote.fetch('default', keys)), { stored: 1 })
  t.ok(performance.now() - again > 600)
})

t.test('the limit is that of the call, of the environment, or of the store', async t => {
  const { folder, home } = useHome(t, {})
  const cli = cliIn(folder, home)
  t.match((await cli(['init', '--limit', '10MB', '--json'])).json, { limit: 10_000_000 })
  t.equal(readSettings({ ARTIFACT_HOME: home }).limit, 10_000_000)
  t.equal(readSettings({ ARTIFACT_HOME: home, ARTIFACT_LIMIT: '1MiB/s' }).limit, 1024 ** 2)
  for (const args of [['init'], ['sync']]) {
    for (const bad of ['fast', '9KB', '']) {
      const { code, error } = await cli([...args, '--limit', bad, '--json'])
      t.match({ code, error }, { code: 2, error: { code: 'INVALID_CONFIG' } }, `${args} ${bad}`)
    }
  }
  t.match((await cli(['init', '--limit', 'none', '--json'])).json, { limit: null })
  t.equal(readSettings({ ARTIFACT_HOME: home }).limit, null)
})
