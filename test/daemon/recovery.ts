import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { askStatus } from '../../fixtures/ask-status.js'
import { logFiles } from '../../fixtures/log-files.js'
import { isSettled, openHomes } from '../../fixtures/open-homes.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { writeConfig } from '../../src/store/settings.js'
import { openStore, type Store } from '../../src/store/store.js'

const cats = { entity: 'default', project: 'p', name: 'cats' }
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../fixtures/${name}.js`, import.meta.url))

/** Ids by number, as a store has them. */
async function listIds(store: Store): Promise<string[]> {
  const { items } = await store.catalog.listVersions(cats)
  return items.map(({ id }) => id)
}

t.test('two writers, a killed daemon and a second one keep one order', async t => {
  const { home, serverHome, store, serve } = openHomes(t)
  const server = await serve()
  await store.catalog.listPending()
  const first = spawnDaemon(t, home, { remote: server.url })
  const write = async (prefix: string) => {
    const writer = spawn(process.execPath, [fixture('log-versions'), home, prefix, '10'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ids = (await text(writer.stdout)).trim().split('\n')
    return ids
  }
  const writing = Promise.all([write('one'), write('two')])
  await waitUntil(async () => (await store.catalog.listVersions(cats)).items.length > 5)
  first.child.kill('SIGKILL')
  const [one, two] = await writing
  spawnDaemon(t, home, { remote: server.url })
  await waitUntil(() => isSettled(store))
  await server.close()

  const there = openStore(serverHome)
  t.teardown(() => there.close())
  const here = await listIds(store)
  t.equal(here.length, 20)
  t.same(await listIds(there), here)
  t.same(
    here.filter(id => one.includes(id)),
    one,
  )
  t.same(
    here.filter(id => two.includes(id)),
    two,
  )
})

t.test('a daemon that is killed at any moment finishes when it is started again', async t => {
  const { home, serverHome, store, serve } = openHomes(t)
  const server = await serve()
  const files = (seed: number) =>
    Object.fromEntries([
      ...Array.from({ length: 300 }, (_, n) => [`f/${n}.txt`, `${n % 250}-${seed}`]),
      ['large.bin', Buffer.alloc(2_000_000, seed)],
    ])
  for (const moment of [180, 260, 320, 380, 450]) {
    await logFiles(store, files(moment))
    const { child, ended, output } = spawnDaemon(t, home, { remote: server.url })
    await sleep(moment)
    child.kill('SIGKILL')
    t.equal(await ended, 'SIGKILL', output())
  }
  spawnDaemon(t, home, { remote: server.url })
  await waitUntil(() => isSettled(store))
  await server.close()
  const there = openStore(serverHome)
  t.teardown(() => there.close())
  t.same(await listIds(there), await listIds(store))
  t.equal((await listIds(there)).length, 5)
})

t.test('a scan finds what no event told', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  await logFiles(store, { 'a.txt': 'a' })
  spawnDaemon(t, home, { args: ['--scan', '0.2'] })
  await waitUntil(() => askStatus(home))
  // No record is written for this: only a scan can see that there is a remote now.
  writeConfig(home, { remote: url })
  await waitUntil(() => isSettled(store))
  t.equal((await listIds(store)).length, 1)
})

t.test('an outage is told, and what is pending goes on after it', async t => {
  const { home, store, serve } = openHomes(t)
  const first = await serve()
  const port = Number(new URL(first.url).port)
  await first.close()
  await logFiles(store, { 'a.txt': 'a' })
  spawnDaemon(t, home, { remote: first.url })
  const status = await waitUntil(async () => {
    const now = await askStatus(home)
    return now?.lastError ? now : undefined
  })
  t.equal(status.lastError?.code, 'REMOTE_UNREACHABLE')
  await serve(port)
  await waitUntil(() => isSettled(store))
  t.match(await store.catalog.listVersions(cats), { items: [{ state: 'synced' }] })
})

t.test('the daemon outlives the host of the store', async t => {
  const { home, store, serve } = openHomes(t)
  const { url } = await serve()
  const host = spawn(process.execPath, [fixture('hold-host'), home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => host.kill('SIGKILL'))
  await once(createInterface(host.stdout), 'line')
  const { child } = spawnDaemon(t, home, { remote: url })
  await waitUntil(() => askStatus(home))
  host.kill('SIGKILL')
  await once(host, 'close')
  await logFiles(store, { 'a.txt': 'a' })
  await waitUntil(() => isSettled(store))
  t.equal((await askStatus(home))?.pid, child.pid)
  const second = spawnDaemon(t, home)
  t.equal(await second.ended, 1, 'its lock is held with the next host too')
})

t.test('a daemon whose store is removed ends', async t => {
  const { home } = openHomes(t)
  const { ended, output } = spawnDaemon(t, home, { args: ['--scan', '0.2'] })
  await waitUntil(() => askStatus(home))
  rmSync(home, { recursive: true, force: true })
  t.equal(await ended, 1)
  t.match(output(), /STORE_DAMAGED/)
})
