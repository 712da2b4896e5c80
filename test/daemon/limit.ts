import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { askStatus } from '../../fixtures/ask-status.js'
import { logFiles } from '../../fixtures/log-files.js'
import { isSettled, openHomes } from '../../fixtures/open-homes.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { connectDaemon } from '../../src/sync/daemon-client.js'

t.test('a limit that is asked for binds a pass that is under way', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  const proxy = await startProxy(t, url)
  await logFiles(store, { 'a.bin': seededBytes('limit', 6_000_000) })
  // Slow at first, so that it is caught at it; the limit that is asked for is far lower.
  spawnDaemon(t, home, { remote: proxy.url, args: ['--limit', '1MB'] })
  await waitUntil(async () => proxy.uploaded > 200_000)
  const daemon = (await connectDaemon(home))!
  const asked = daemon.sync({ limit: 10_000 })
  asked.catch(() => {})
  await sleep(1000)
  const before = proxy.uploaded
  t.ok(before < 3_000_000, `${before} bytes: it is not done`)
  await sleep(2000)
  const during = proxy.uploaded - before
  // What was let through before is on its way for a moment.
  t.ok(during < 300_000, `${during} bytes in two seconds, at 10,000 a second`)
  t.equal((await askStatus(home))?.state, 'syncing')
  t.equal(await isSettled(store), false)
  daemon.close()
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
