import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { homePaths } from '../../src/model/home.js'
import { connectDaemon } from '../../src/sync/daemon-client.js'
import { startDaemon } from '../../src/sync/start-daemon.js'

const env = { PATH: process.env.PATH }
// A failed test leaves no daemon for long.
const idleSeconds = 30

async function stopDaemon(home: string): Promise<void> {
  const daemon = await connectDaemon(home)
  await daemon?.stop()
}

t.test('one daemon is started, detached, and found by the next call', async t => {
  const home = join(t.testdir({}), 'home')
  const first = await startDaemon(home, { env, idleSeconds })
  t.equal(first.started, true)
  t.same(await startDaemon(home, { env, idleSeconds }), { started: false, pid: first.pid })

  const log = homePaths(home).daemonLog
  t.equal(statSync(log).mode & 0o777, 0o600)
  t.match(readFileSync(log, 'utf8'), /artifactd started/)

  await stopDaemon(home)
  const second = await startDaemon(home, { env, idleSeconds })
  t.equal(second.started, true)
  t.not(second.pid, first.pid)
  await stopDaemon(home)
})

t.test('callers at the same moment end up with one daemon', async t => {
  const home = join(t.testdir({}), 'home')
  const all = await Promise.all([1, 2, 3].map(() => startDaemon(home, { env, idleSeconds })))
  t.equal(new Set(all.map(({ pid }) => pid)).size, 1)
  t.equal(all.filter(({ started }) => started).length, 1)
  await stopDaemon(home)
})

t.test('a caller in a hurry does not wait for the answer', async t => {
  const home = join(t.testdir({}), 'home')
  const { pid } = await startDaemon(home, { env, idleSeconds, wait: false })
  t.ok(pid)
  for (;;) {
    const daemon = await connectDaemon(home)
    if (!daemon) continue
    t.equal((await daemon.status()).pid, pid)
    await daemon.stop()
    return
  }
})

t.test('a daemon that does not start is DAEMON_FAILED, with the name of its log', async t => {
  const home = join(t.testdir({}), 'home')
  const wrong = { ...env, ARTIFACT_REMOTE: 'not a url' }
  await t.rejects(startDaemon(home, { env: wrong }), {
    code: 'DAEMON_FAILED',
    details: { log: homePaths(home).daemonLog },
  })
})
