import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { startCommitter } from '../../fixtures/catalog/start-committer.js'
import { makeTree } from '../../fixtures/make-tree.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { type Started, startNode } from '../../fixtures/run-node.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { openLevelCatalog } from '../../src/catalog/open-level-catalog.js'
import { readAnnouncement } from '../../src/ipc/announcement.js'
import { thisMachine } from '../../src/ipc/machine.js'
import { homePaths } from '../../src/model/home.js'
import { openStore } from '../../src/store/store.js'
import { connectDaemon } from '../../src/sync/daemon-client.js'

/** Nothing listens there: port 9 is "discard", and reserved. */
const NOWHERE = 'http://127.0.0.1:9'

function startFixture(t: Test, name: string, args: string[]): Started {
  const script = fileURLToPath(new URL(`../../fixtures/${name}.js`, import.meta.url))
  const started = startNode([script, ...args])
  t.teardown(async () => {
    started.child.kill('SIGKILL')
    await started.ended
  })
  return started
}

t.test('a host that is stopped is named, and is not taken over', async t => {
  const folder = t.testdir({})
  const home = join(folder, 'home')
  await openStore(home).close()
  const host = startCommitter(home, 'held', 0)
  await host.opened
  const { pid } = host.child
  const guest = openCatalog(home)
  await guest.catalog.listPending()
  host.child.kill('SIGSTOP')
  t.teardown(() => host.child.kill('SIGKILL'))

  const request = makeLogRequest('cats', 'a')
  const silent = { code: 'STORE_BUSY', retryable: true, details: { pid } }
  const [list] = await Promise.all([
    cliIn(folder, home)(['ls', '--json']),
    t.rejects(guest.catalog.log(request), silent, 'over an old connection'),
    t.rejects(guest.catalog.listPending(), silent, 'and with it, whatever else was asked'),
  ])
  t.match(list, { code: 1, error: { code: 'STORE_BUSY', details: { pid } } }, 'over a new one')
  t.match(list.error.message, `kill -CONT ${pid}`)
  t.equal(await openLevelCatalog(home), null, 'its lock is held')

  host.child.kill('SIGCONT')
  t.match(await guest.catalog.log(request), { number: 0, unchanged: false })
  t.match(await guest.catalog.log(makeLogRequest('cats', 'b')), { number: 1 }, 'applied once')
  t.equal(readAnnouncement(homePaths(home).host, 'host')?.pid, pid)
  await guest.close()
  host.stop()
  t.equal(await host.ended, 0)
})

t.test('a store that is held and not served is busy, or elsewhere', async t => {
  const folder = t.testdir({})
  const [here, elsewhere] = [join(folder, 'here'), join(folder, 'elsewhere')]
  const holders = [await openLevelCatalog(here), await openLevelCatalog(elsewhere)]
  const announcement = { address: 'gone.sock', protocol: { min: 1, max: 1 }, pid: 4711 }
  for (const [home, hostname] of [
    [here, thisMachine().hostname],
    [elsewhere, 'another.machine'],
  ] as const) {
    const { host } = homePaths(home)
    mkdirSync(host, { mode: 0o700 })
    const { bootId } = thisMachine()
    const text = JSON.stringify({ ...announcement, hostname, bootId })
    writeFileSync(join(host, 'host.json'), text, { mode: 0o600 })
  }
  const [busy, away] = [openCatalog(here), openCatalog(elsewhere)]
  let isBusy = false
  const waiting = t
    .rejects(busy.catalog.listPending(), { code: 'STORE_BUSY', details: { pid: 4711 } })
    .then(() => {
      isBusy = true
    })
  await t.rejects(away.catalog.listPending(), {
    code: 'STORE_ELSEWHERE',
    details: { hostname: 'another.machine', pid: 4711 },
  })
  t.notOk(isBusy, 'another machine is not waited for')
  await waiting
  for (const holder of holders) await holder?.close()
  t.same((await away.catalog.listPending()).items, [], 'one that let go holds nothing')
  await Promise.all([busy.close(), away.close()])
})

t.test('an artifactd that is stopped is named, and keeps nobody from logging', async t => {
  const folder = t.testdir({ 'a.txt': 'a' })
  const home = join(folder, 'home')
  await openStore(home).close()
  const host = startCommitter(home, 'held', 0)
  await host.opened
  t.teardown(() => host.child.kill('SIGKILL'))
  const daemon = spawnDaemon(t, home, { remote: NOWHERE })
  const client = await waitUntil(() => connectDaemon(home))
  client.close()
  daemon.child.kill('SIGSTOP')
  const cli = cliIn(folder, home, { ARTIFACT_REMOTE: NOWHERE })
  const busy = { code: 1, error: { code: 'STORE_BUSY', details: { pid: daemon.child.pid } } }
  const auto = { env: { ARTIFACT_DAEMON: 'auto' } }
  const [status, asked, put] = await Promise.all([
    cli(['status', '--json']),
    cli(['daemon', 'status', '--json']),
    cli(['put', 'a.txt', '-n', 'p/a', '--json'], auto),
  ])
  t.match(status, busy)
  t.match(asked, busy)
  t.match(put, { code: 0, json: { version: 'v0', state: 'pending' } })
  daemon.child.kill('SIGCONT')
  t.match(await cli(['status', '--json']), { code: 0, json: { daemon: true, pending: 1 } })
})

t.test('a host whose own code never ends answers at once', async t => {
  const folder = t.testdir({ 'a.txt': 'a' })
  const home = join(folder, 'home')
  const host = startFixture(t, 'busy-host', [home])
  await host.sees(/busy/)
  const cli = cliIn(folder, home)
  t.match(await cli(['put', 'a.txt', '-n', 'p/a', '--json']), { code: 0 })
  t.match(await cli(['ls', '--json']), { code: 0, json: [{ name: 'a', version: 'v0' }] })
  t.equal(host.child.exitCode, null, 'it is busy yet')
  t.equal(readAnnouncement(homePaths(home).host, 'host')?.pid, host.child.pid, 'and the host')
})

t.test('lists do not wait for what another process logs', async t => {
  const folder = t.testdir({ tree: {} })
  const home = join(folder, 'home')
  makeTree(join(folder, 'tree'), 5000)
  const logger = startFixture(t, 'store/log-trees', [home, join(folder, 'tree')])
  await logger.sees(/logging 0/)
  t.equal((await cliIn(folder, home)(['ls', '--json'])).code, 0)
  t.equal(logger.child.exitCode, null, 'it logs yet')
})
