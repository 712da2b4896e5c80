import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startNode } from '../../fixtures/run-node.js'
import { seededRandom } from '../../fixtures/seeded-random.js'
import { contentOf, idOf } from '../../fixtures/store/numbered.js'
import { readStored } from '../../fixtures/store/read-stored.js'
import { readAnnouncement } from '../../src/ipc/announcement.js'
import type { Digest } from '../../src/model/digest.js'
import { homePaths } from '../../src/model/home.js'
import { readEntries } from '../../src/store/manifest.js'
import { openStore, type Store } from '../../src/store/store.js'

const SCRIPT = fileURLToPath(new URL('../../fixtures/store/log-numbered.js', import.meta.url))
const NAMES = ['a', 'b', 'c', 'd']
const WRITERS = 8
const VERSIONS = 50
/** Another run: ARTIFACTD_SEED=… npx tap dist/test/store/killed-hosts.js */
const SEED = Number(process.env.ARTIFACTD_SEED ?? 1)

/** A writer that is started again where it was told of its last version, until it has all. */
class Writer {
  readonly name: string
  readonly numbers: number[] = []
  readonly ended: Promise<void>
  pid: number | undefined
  readonly #home: string
  readonly #writer: string
  #kill: (signal: NodeJS.Signals) => void = () => {}

  constructor(home: string, index: number) {
    this.#home = home
    this.#writer = `w${index}`
    this.name = NAMES[index % NAMES.length]!
    this.ended = this.#run()
  }

  end(signal: NodeJS.Signals): void {
    this.#kill(signal)
  }

  async #run(): Promise<void> {
    while (this.numbers.length < VERSIONS) {
      const range = [this.numbers.length, VERSIONS].map(String)
      const { child, ended } = startNode([SCRIPT, this.#home, this.name, this.#writer, ...range])
      createInterface({ input: child.stdout! }).on('line', line => {
        const [n, id, number] = line.split(' ')
        if (Number(n) !== this.numbers.length || id !== idOf(this.#writer, Number(n), 'version')) {
          throw new Error(`${this.#writer} was told of ${line}`)
        }
        this.numbers.push(Number(number))
      })
      this.pid = child.pid
      this.#kill = signal => child.kill(signal)
      const { code, signal, stderr } = await ended
      this.pid = undefined
      if (code !== 0 && !signal) throw new Error(`ended with ${code}: ${stderr}`)
    }
  }
}

async function listAll(store: Store, name: string) {
  const versions = []
  let after: string | undefined
  do {
    const page = await store.catalog.listVersions({ name }, after)
    versions.push(...page.items)
    after = page.next
  } while (after !== undefined)
  return versions
}

async function checkContent(t: Test, store: Store, id: string, content: Record<string, string>) {
  const version = await store.catalog.getVersion(id)
  const found: Record<string, string> = {}
  for await (const entries of readEntries(store, version!.pieces)) {
    for (const { path, digest, size } of entries) {
      found[path] = String(await readStored(store, { digest: digest as Digest, size }))
    }
  }
  if (JSON.stringify(found) !== JSON.stringify(content)) t.fail(`${id} has other content`)
}

t.test('eight writers lose nothing while whoever is host is killed', async t => {
  const home = join(t.testdir({}), 'home')
  await openStore(home).close()
  const random = seededRandom(SEED)
  const writers = Array.from({ length: WRITERS }, (_, index) => new Writer(home, index))
  const told = () => writers.reduce((sum, { numbers }) => sum + numbers.length, 0)
  const all = Promise.all(writers.map(({ ended }) => ended))
  let over = false
  const finish = all.finally(() => {
    over = true
  })
  finish.catch(() => {})
  let kills = 0
  let ends = 0
  let longest = 0
  while (!over) {
    const goal = told() + 4 + Math.floor(random() * 20)
    while (!over && told() < goal) await sleep(1)
    const pid = readAnnouncement(homePaths(home).host, 'host')?.pid
    const host = writers.find(writer => writer.pid !== undefined && writer.pid === pid)
    if (!host) continue
    const gently = random() < 0.2
    host.end(gently ? 'SIGTERM' : 'SIGKILL')
    const before = told()
    const at = Date.now()
    while (!over && told() === before) await sleep(1)
    longest = Math.max(longest, Date.now() - at)
    if (gently) ends += 1
    else kills += 1
  }
  await finish
  t.comment(
    `seed ${SEED}: ${kills} hosts killed, ${ends} ended; next answer after ${longest} ms at most`,
  )
  t.ok(kills >= 10, 'hosts were killed')

  const store = openStore(home)
  for (const name of NAMES) {
    const versions = await listAll(store, name)
    const own = writers.flatMap((writer, index) => (writer.name === name ? [index] : []))
    const expected = own.flatMap(index =>
      writers[index]!.numbers.map((number, n) => ({ number, id: idOf(`w${index}`, n, 'version') })),
    )
    t.same(
      versions.map(({ number, id }) => ({ number, id })),
      expected.sort((a, b) => a.number - b.number),
      'what was told is there, once, under its number',
    )
    t.same(
      versions.map(({ number }) => number),
      [...versions.keys()],
      'the numbers have no holes',
    )
    t.equal(versions.length, own.length * VERSIONS)
    for (const index of own) {
      const { numbers } = writers[index]!
      t.same(
        numbers,
        numbers.toSorted((a, b) => a - b),
        'in the order of its calls',
      )
      for (const n of numbers.keys()) {
        const writer = `w${index}`
        await checkContent(t, store, idOf(writer, n, 'version'), contentOf(writer, n))
      }
    }
  }
  await store.close()
})
