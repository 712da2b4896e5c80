import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { isSettled, openHomes } from '../../fixtures/open-homes.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { startCli } from '../../fixtures/run-cli.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { connectDaemon } from '../../src/sync/daemon-client.js'

t.test('sync --limit binds an artifactd that is at it, until it is interrupted', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  const proxy = await startProxy(t, url)
  await logFiles(store, { 'a.bin': seededBytes('limit', 6_000_000) })
  // Slow at first, so that it is caught at it; the limit that is asked for is far lower.
  spawnDaemon(t, home, { remote: proxy.url, args: ['--limit', '1MB'] })
  await waitUntil(async () => proxy.uploaded > 200_000)
  const env = { ARTIFACT_HOME: home, ARTIFACT_REMOTE: proxy.url }
  const { child, ended } = startCli(['sync', '--limit', '10KB'], { env })
  await sleep(2000)
  const before = proxy.uploaded
  t.ok(before < 4_000_000, `${before} bytes: it is not done`)
  await sleep(2000)
  const during = proxy.uploaded - before
  // What was let through before is on its way for a moment.
  t.ok(during < 300_000, `${during} bytes in two seconds, at 10,000 a second`)
  t.equal(await isSettled(store), false)

  child.kill('SIGINT')
  t.equal((await ended).code, 130)
  await waitUntil(() => isSettled(store))
})

t.test('it ends with the answer', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  spawnDaemon(t, home, { remote: url })
  const daemon = (await waitUntil(() => connectDaemon(home)))!
  await logFiles(store, { 'a.txt': 'a' })
  t.match(await daemon.sync({ limit: 10_000 }), { pending: 0 })
  await logFiles(store, { 'b.bin': seededBytes('free', 1_000_000) })
  const { sentBytes, pending } = await daemon.sync({})
  t.equal(pending, 0)
  // At 10,000 a second it would take longer than a test may.
  t.ok(sentBytes > 1_000_000 || (await isSettled(store)))
  daemon.close()
})
