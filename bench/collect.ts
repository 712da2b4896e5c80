/**
 * Removing what no version needs from a store of 1,000,000 files of 200 bytes, as a command, beside a
 * process that logs versions to it all the while: `artifact server collect` where nothing is dead,
 * where half is and lies in packs of its own, and where half of every pack is; `artifact cache clean
 * --max`, where half is dead and the rest is evicted. The versions are written into the stores as packs and
 * manifests.
 *
 *     node dist/bench/collect.js [--rounds 5] [--files 1000000]
 */
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startNode } from '../fixtures/run-node.js'
import { newId } from '../src/artifact/log-artifact.js'
import type { Entry } from '../src/model/entry.js'
import type { VersionContent } from '../src/model/version.js'
import { writeManifest } from '../src/store/manifest.js'
import { openStore, type Store } from '../src/store/store.js'
import {
  describeMachine,
  type Measured,
  makeWorkFolder,
  readOptions,
  runShell,
  startArtifact,
  startServer,
  summarize,
} from './harness.js'

const WRITER = fileURLToPath(new URL('../fixtures/store/log-numbered.js', import.meta.url))
const SIZE = 200
/** Blobs that are handed to the store at once. */
const BATCH = 5000

const { rounds, files } = readOptions({ files: 1_000_000 })
const work = makeWorkFolder('collect')
const createdAt = new Date().toJSON()
const half = Math.ceil(files / 2)

const nameOf = (n: number) => String(n).padStart(4, '0')

async function addFiles(store: Store, first: number, count: number): Promise<Entry[]> {
  const entries: Entry[] = []
  for (let start = first; start < first + count; start += BATCH) {
    const size = Math.min(BATCH, first + count - start)
    const numbers = Array.from({ length: size }, (_, index) => start + index)
    const parts = numbers.map(n => {
      const bytes = Buffer.alloc(SIZE, 'x')
      bytes.writeUInt32LE(n)
      return bytes
    })
    const stored = await store.ingest().addBytes('blob', parts)
    for (const [index, n] of numbers.entries()) {
      const path = `${nameOf(Math.floor(n / 1000))}/${nameOf(n % 1000)}.bin`
      entries.push({ path, digest: stored[index]!.digest, size: SIZE })
    }
  }
  return entries
}

/** Finishes the packs under way. */
async function describe(store: Store, name: string, entries: Entry[]) {
  const ingest = store.ingest()
  const manifest = await writeManifest(ingest, store.algorithm, entries)
  const version: VersionContent = {
    ...manifest,
    ...{ id: newId(), entity: 'default', project: 'p', name, type: 'dataset', createdAt },
    ...{ description: null, metadata: {}, tags: [], run: null },
  }
  return { version, ...(await ingest.finish()) }
}

/** Makes two versions of half of the files, in packs of their own or all in the same. */
async function makeStore(home: string, layout: 'apart' | 'mixed'): Promise<void> {
  const store = openStore(home)
  const all = await addFiles(store, 0, layout === 'mixed' ? files : half)
  const contents =
    layout === 'mixed'
      ? [
          await describe(
            store,
            'even',
            all.filter((_, index) => index % 2 === 0),
          ),
          await describe(
            store,
            'odd',
            all.filter((_, index) => index % 2 === 1),
          ),
        ]
      : [
          await describe(store, 'even', all),
          await describe(store, 'odd', await addFiles(store, half, files - half)),
        ]
  for (const content of contents) {
    await store.catalog.log({ logId: newId(), aliases: [], complete: true, ...content })
  }
  await store.close()
}

async function deleteOdd(home: string): Promise<void> {
  const store = openStore(home)
  const [odd] = (await store.catalog.listVersions({ name: 'odd' })).items
  const { id, number, entity, project, name, type } = odd!
  const versions = [{ id, number }]
  const names = { entity, project, name, type }
  await store.catalog.delete({ logId: newId(), ...names, versions, deleteAliases: true })
  await store.close()
}

/** A store that took both versions from another. */
async function importAll(from: string, home: string): Promise<void> {
  const [source, store] = [openStore(from), openStore(home)]
  const ranges = { even: [0, half], odd: [half, files - half] } as const
  for (const [name, [first, count]] of Object.entries(ranges)) {
    const [found] = (await source.catalog.listVersions({ name })).items
    const version = (await source.catalog.getVersion(found!.id))!
    const { packs, objects } = await describe(store, name, await addFiles(store, first, count))
    await store.catalog.import({ version, packs, objects, storeId: source.id, asOf: createdAt })
  }
  await source.close()
  await store.close()
}

interface Outcome extends Measured {
  freedBytes: number
  /** Of the process beside, while the command ran. */
  commits: number
  /** The longest that it waited for one, in milliseconds. */
  pauseMs: number
}

/** Runs a command on a store to which another process commits, and is the host of. */
async function runBeside(home: string, args: string[], remote?: string): Promise<Outcome> {
  const writer = startNode([WRITER, home, 'beside', 'w', '0', '1000000'])
  await writer.sees(/\n/)
  let [commits, changedAt, pauseMs] = [0, performance.now(), 0]
  createInterface({ input: writer.child.stdout! }).on('line', () => {
    const now = performance.now()
    pauseMs = Math.max(pauseMs, now - changedAt)
    changedAt = now
    commits += 1
  })
  const env = { ARTIFACT_HOME: home, ...(remote && { ARTIFACT_REMOTE: remote }) }
  const measured = await startArtifact([...args, '--json'], env)
  const beside = { commits, pauseMs: Math.max(pauseMs, performance.now() - changedAt) }
  writer.child.kill('SIGTERM')
  await writer.ended
  return { ...measured, ...JSON.parse(measured.stdout), ...beside }
}

const [apart, mixed, local] = ['apart', 'mixed', 'local'].map(name => join(work.path, name))
await makeStore(apart!, 'apart')
await makeStore(mixed!, 'mixed')
await importAll(apart!, local!)
const server = await startServer(apart!)
const limit = Math.round(files * SIZE * 0.75)
const results = new Map<string, Outcome[]>()
for (let round = 0; round < rounds; round += 1) {
  const run = async (what: string, from: string, args: (home: string) => string[]) => {
    const home = join(work.path, `${round}-${what}`, 'home')
    runShell(`mkdir '${dirname(home)}' && cp -a '${from}' '${home}' && sync`)
    if (what.includes('half')) await deleteOdd(home)
    const outcome = await runBeside(home, args(home), server.url)
    results.set(what, [...(results.get(what) ?? []), outcome])
  }
  const collect = (home: string) => ['server', 'collect', '--data', home]
  await run('server collect, nothing dead', mixed!, collect)
  await run('server collect, half dead, packs of their own', apart!, collect)
  await run('server collect, half of every pack dead', mixed!, collect)
  await run('cache clean --max, half dead, half evicted', local!, () => [
    'cache',
    'clean',
    '--max',
    `${limit}`,
  ])
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}
await server.stop()

console.log(`${files} files of ${SIZE} B; ${rounds} rounds; ${describeMachine()}\n`)
console.log(
  '| command | seconds | CPU seconds | peak MiB | MB freed | logs a second beside | longest s |',
)
console.log('| --- | --- | --- | --- | --- | --- | --- |')
for (const [what, outcomes] of results) {
  const text = (of: (outcome: Outcome) => number) => summarize(outcomes.map(of)).text
  const cells = [
    text(({ seconds }) => seconds),
    text(({ cpuSeconds }) => cpuSeconds),
    Math.round(Math.max(...outcomes.map(({ peakMiB }) => peakMiB))),
    text(({ freedBytes }) => freedBytes / 1e6),
    text(({ commits, seconds }) => commits / seconds),
    text(({ pauseMs }) => pauseMs / 1000),
  ]
  console.log(`| ${what} | ${cells.join(' | ')} |`)
}
work.remove()
