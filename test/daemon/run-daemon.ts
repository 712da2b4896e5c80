import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { askStatus } from '../../fixtures/ask-status.js'
import { logFiles } from '../../fixtures/log-files.js'
import { isSettled, openHomes } from '../../fixtures/open-homes.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { createRemoteOpener } from '../../src/sync/create-remote-opener.js'
import { connectDaemon } from '../../src/sync/daemon-client.js'
import { syncStore } from '../../src/sync/sync-store.js'

t.test('what is logged is synced, before the start and after it', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  await logFiles(store, { 'a.txt': 'before' })
  const { child, ended } = spawnDaemon(t, home, { remote: url })
  await waitUntil(() => isSettled(store))
  await logFiles(store, { 'a.txt': 'after' })
  const loggedAt = performance.now()
  await waitUntil(() => isSettled(store))
  const took = performance.now() - loggedAt
  t.ok(took < 5000, `${Math.round(took)} ms: it began long before a scan`)
  const status = await askStatus(home)
  t.match(status, { pid: child.pid, versions: [], lastError: null, remote: url })
  t.match(status, { version: /^\d+\./, uptimeSeconds: Number, lastPass: { pending: 0, failed: 0 } })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.equal(await connectDaemon(home), null)
})

t.test('a second daemon is refused', async t => {
  const { home } = openHomes(t)
  spawnDaemon(t, home)
  await waitUntil(() => askStatus(home))
  const second = spawnDaemon(t, home)
  t.equal(await second.ended, 1)
  t.match(second.output(), /DAEMON_RUNNING/)
  t.ok(await askStatus(home), 'the first one goes on')
})

t.test('SIGTERM ends a daemon whose remote does not answer', async t => {
  const { home, store } = openHomes(t)
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const address = silent.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  await logFiles(store, { 'a.txt': 'a' })
  const connected = once(silent, 'connection')
  const { child, ended } = spawnDaemon(t, home, { remote: `http://127.0.0.1:${address.port}` })
  const [socket] = await connected
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  socket.destroy()
  t.equal((await store.catalog.listPending()).items.length, 1)
})

t.test('an idle daemon ends, and not before its work is done', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  await logFiles(store, { 'a.txt': 'a' })
  const { ended } = spawnDaemon(t, home, { remote: url, args: ['--idle', '0.2'] })
  t.equal(await ended, 0)
  t.equal(await isSettled(store), true)
})

t.test('stop ends it, and an unknown flag is a mistake in usage', async t => {
  const { home } = openHomes(t)
  const { ended } = spawnDaemon(t, home)
  const daemon = await waitUntil(() => connectDaemon(home))
  await daemon.stop()
  t.equal(await ended, 0)
  t.equal(await spawnDaemon(t, home, { args: ['--idle', 'soon'] }).ended, 2)
  t.equal(await spawnDaemon(t, home, { args: ['--what'] }).ended, 2)
})

t.test('a sync in the foreground works beside a daemon', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  spawnDaemon(t, home, { remote: url })
  const daemon = await waitUntil(() => connectDaemon(home))
  await logFiles(store, { 'a.txt': 'a' })
  const asked = await daemon.sync({})
  t.equal(asked.pending, 0)
  await logFiles(store, { 'a.txt': 'b' })
  // Whoever is first sends it: the daemon that heard of it, or this process.
  await syncStore(store, createRemoteOpener({ remote: url, apiKey: null }), { defaultRemote: url })
  t.equal(await isSettled(store), true)
  daemon.close()
})
