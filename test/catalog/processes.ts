import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import {
  type Acknowledged,
  type Committer,
  startCommitter,
} from '../../fixtures/catalog/start-committer.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { openLevelCatalog } from '../../src/catalog/open-level-catalog.js'
import { homePaths } from '../../src/model/home.js'

const NAMES = ['a', 'b', 'c', 'd']

/** Every acknowledged commit is there once, under its number, and numbers have no holes. */
async function checkCommits(t: Test, home: string, acknowledged: Acknowledged[]): Promise<void> {
  const catalog = (await openLevelCatalog(home))!
  const { items: pending } = await catalog.listPending()
  const found = new Map<string, Acknowledged>()
  for (const name of new Set(acknowledged.map(({ name }) => name))) {
    let after: string | undefined
    const numbers: number[] = []
    do {
      const page = await catalog.listVersions({ name }, after)
      for (const { id, number } of page.items) {
        if (found.has(id)) t.fail(`commit ${id} is there twice`)
        found.set(id, { name, id, number })
        numbers.push(number)
      }
      after = page.next
    } while (after !== undefined)
    t.same(numbers, [...numbers.keys()], 'the numbers have no holes')
  }
  t.same(
    acknowledged.map(({ id }) => found.get(id)),
    acknowledged,
    'what was acknowledged is there',
  )
  t.same(
    pending.map(({ versionId }) => versionId).sort(),
    [...found.keys()].sort(),
    'each is pending once',
  )
  await catalog.close()
}

const allOf = (committers: Committer[]) => committers.flatMap(({ acknowledged }) => acknowledged)

function hostPid(home: string): number {
  return JSON.parse(readFileSync(join(homePaths(home).host, 'host.json'), 'utf8')).pid
}

t.test('eight processes commit to four collections at once', async t => {
  const home = t.testdir()
  // They end one after another, the host among them.
  const committers = Array.from({ length: 8 }, (_, i) =>
    startCommitter(home, NAMES[i % 4]!, 20 + i * 5),
  )
  for (const { ended } of committers) t.equal(await ended, 0)
  t.same(
    committers.map(({ acknowledged }) => acknowledged.length),
    committers.map((_, i) => 20 + i * 5),
  )
  for (const { acknowledged } of committers) {
    const numbers = acknowledged.map(({ number }) => number)
    t.same(
      numbers,
      numbers.toSorted((x, y) => x - y),
    )
  }
  await checkCommits(t, home, allOf(committers))
})

t.test('a host that is killed takes no acknowledged commit with it', async t => {
  const home = t.testdir()
  const committers = Array.from({ length: 8 }, (_, i) =>
    startCommitter(home, NAMES[i % 4]!, 100_000),
  )
  const killed: number[] = []
  const hurry = async (commits: number) => {
    const goal = allOf(committers).length + commits
    while (allOf(committers).length < goal) await sleep(2)
  }
  await hurry(100)
  while (killed.length < 5) {
    const pid = hostPid(home)
    const host = committers.find(({ child }) => child.pid === pid)!
    host.child.kill('SIGKILL')
    t.equal(await host.ended, 'SIGKILL')
    killed.push(pid)
    // The others go on with a new host.
    await hurry(60)
    t.notOk(killed.includes(hostPid(home)))
  }
  for (const committer of committers) committer.stop()
  const ends = await Promise.all(committers.map(({ ended }) => ended))
  t.same(ends.toSorted(), [0, 0, 0, 'SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL'])
  await checkCommits(t, home, allOf(committers))
})

t.test('clients that are killed while they call leave the host as it was', async t => {
  const home = t.testdir()
  const host = startCommitter(home, 'held', 0)
  await host.opened
  const committers = NAMES.map(name => startCommitter(home, name, 100_000))
  await Promise.all(committers.map(({ opened }) => opened))
  for (const committer of committers) {
    const goal = allOf(committers).length + 20
    while (allOf(committers).length < goal) await sleep(2)
    committer.child.kill('SIGKILL')
    t.equal(await committer.ended, 'SIGKILL')
  }
  t.equal(hostPid(home), host.child.pid)
  host.stop()
  t.equal(await host.ended, 0)
  await checkCommits(t, home, allOf(committers))
})

t.test('the calls of a process keep their order when its host is killed', async t => {
  const home = t.testdir()
  for (const killAfter of [1, 40]) {
    const host = startCommitter(home, 'held', 0)
    await host.opened
    const name = `cats${killAfter}`
    const { catalog, close } = openCatalog(home)
    let answered = 0
    const calls = Array.from({ length: 300 }, async (_, i) => {
      const { number } = await catalog.log(makeLogRequest(name, `${i}`))
      answered += 1
      if (answered === killAfter) host.child.kill('SIGKILL')
      return number
    })
    t.same(await Promise.all(calls), [...calls.keys()])
    t.equal(await host.ended, 'SIGKILL')
    await close()
  }
})

t.test('a second opener is turned away while a host lives', async t => {
  const home = t.testdir()
  const first = await openLevelCatalog(home)
  t.equal(await openLevelCatalog(home), null)
  await first!.close()

  const host = startCommitter(home, 'cats', 0)
  await host.opened
  t.equal(await openLevelCatalog(home), null)
  const guest = openCatalog(home)
  t.match(await guest.catalog.log(makeLogRequest('cats', 'a')), { number: 0 })
  t.equal(hostPid(home), host.child.pid)
  host.stop()
  t.equal(await host.ended, 0)
  t.match(await guest.catalog.log(makeLogRequest('cats', 'b')), { number: 1 })
  t.equal(hostPid(home), process.pid, 'the guest is the host now')
  await guest.close()
  const last = await openLevelCatalog(home)
  t.equal((await last!.listVersions({})).items.length, 2)
  await last!.close()
})

t.test('a host that ends while others call loses none of their calls', async t => {
  const home = t.testdir()
  const guests = Array.from({ length: 3 }, () => openCatalog(home))
  const host = startCommitter(home, 'held', 0)
  await host.opened
  const calls = guests.map(({ catalog }, guest) =>
    Array.from({ length: 100 }, (_, i) => catalog.log(makeLogRequest(NAMES[guest]!, `${i}`))),
  )
  await calls[0]![0]
  host.stop()
  for (const some of calls) {
    t.same(
      (await Promise.all(some)).map(({ number }) => number),
      [...some.keys()],
    )
  }
  t.equal(await host.ended, 0)
  await Promise.all(guests.map(({ close }) => close()))
})

t.test('a home with a very long path is served like any other', async t => {
  const home = join(t.testdir(), 'l'.repeat(120), 'o'.repeat(120), 'n'.repeat(120))
  mkdirSync(home, { recursive: true })
  const committers = [1, 2, 3].map(() => startCommitter(home, 'a', 10))
  for (const { ended } of committers) t.equal(await ended, 0)
  await checkCommits(t, home, allOf(committers))
})

t.test('of processes that meet a damaged catalog, one builds it again', async t => {
  const home = t.testdir()
  const before = startCommitter(home, 'a', 20)
  t.equal(await before.ended, 0)
  for (const damage of ['nothing\n', '']) {
    writeFileSync(join(homePaths(home).catalog, 'CURRENT'), damage)
    const committers = Array.from({ length: 4 }, (_, i) => startCommitter(home, NAMES[i]!, 10))
    for (const { ended } of committers) t.equal(await ended, 0)
    before.acknowledged.push(...allOf(committers))
  }
  await checkCommits(t, home, before.acknowledged)
})

t.test('a lock ends with the process that took it', async t => {
  const home = t.testdir()
  const host = startCommitter(home, 'a', 0)
  await host.opened
  const [mine, other] = [openCatalog(home), openCatalog(home)]
  t.equal(await mine.tryLock('sync'), true)
  t.equal(await mine.tryLock('sync'), true, 'it is mine already')
  t.equal(await other.tryLock('sync'), false)
  t.equal(await other.tryLock('else'), true)
  await mine.close()
  await t.rejects(mine.tryLock('sync'), { code: 'STORE_FAILED' })
  while (!(await other.tryLock('sync'))) await sleep(5)
  host.child.kill('SIGKILL')
  t.equal(await host.ended, 'SIGKILL')
  t.equal(await other.tryLock('sync'), true)
  await other.close()
})

t.test('a host that cannot listen gives the store up', async t => {
  const blocks = { link: t.fixture('symlink', 'nowhere'), file: 'where a folder must be' }
  for (const [kind, host] of Object.entries(blocks)) {
    const home = t.testdir({ host })
    const { catalog, close } = openCatalog(home)
    await t.rejects(catalog.listPending(), { code: 'STORE_FAILED' }, kind)
    const free = await openLevelCatalog(home)
    t.ok(free, 'the lock is not held')
    await free?.close()
    await close()
  }
})
