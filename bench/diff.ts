/**
 * `artifact diff` of two versions of 10,000, 100,000 and 1,000,000 files that differ in one, and of two
 * of as many that have nothing in common, as a command. The versions are written into the store as
 * manifests alone: a diff reads no file. Paths and digests are about as long as those of real ones.
 *
 *     node dist/bench/diff.js [--rounds 5] [--files 1000000]
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { newId } from '../src/artifact/log-artifact.js'
import type { Digest } from '../src/model/digest.js'
import type { Entry } from '../src/model/entry.js'
import { writeManifest } from '../src/store/manifest.js'
import { openStore } from '../src/store/store.js'
import { describeMachine, makeWorkFolder, readOptions, runArtifact, summarize } from './harness.js'

const { rounds, files } = readOptions({ files: 1_000_000 })
const work = makeWorkFolder('diff')
const home = join(work.path, 'home')
const sizes = [100, 10, 1].map(part => Math.max(1, Math.round(files / part)))

function* listEntries(count: number, { seed, changed }: { seed: string; changed?: number }) {
  for (let n = 0; n < count; n += 1) {
    const content = n === changed ? 'changed' : seed
    const hex = createHash('md5').update(`${content} ${n}`).digest('hex')
    const digest: Digest = `xxh128:${hex}`
    const folder = String(Math.floor(n / 1000)).padStart(4, '0')
    const path = `images/${folder}/${seed}-${String(n % 1000).padStart(4, '0')}.png`
    yield { path, digest, size: 10_000 + (n % 500) } satisfies Entry
  }
}

async function log(name: string, entries: Iterable<Entry>): Promise<void> {
  const ingest = store.ingest()
  const manifest = await writeManifest(ingest, store.algorithm, entries)
  const { packs, objects } = await ingest.finish()
  const names = { entity: 'default', project: 'p', name, type: 'dataset' }
  const described = { description: null, metadata: {}, tags: [], run: null }
  const version = {
    ...manifest,
    ...names,
    ...described,
    id: newId(),
    createdAt: new Date().toJSON(),
  }
  await store.catalog.log({ logId: newId(), version, aliases: [], packs, objects })
}

const store = openStore(home)
for (const size of sizes) {
  await log(`one-${size}`, listEntries(size, { seed: 'file' }))
  await log(`one-${size}`, listEntries(size, { seed: 'file', changed: Math.floor(size / 2) }))
  await log(`all-${size}`, listEntries(size, { seed: 'file' }))
  await log(`all-${size}`, listEntries(size, { seed: 'other' }))
}
await store.close()

const measured = new Map<string, { seconds: number[]; peaks: number[] }>()
for (let round = 0; round < rounds; round += 1) {
  for (const size of sizes) {
    for (const what of ['one', 'all']) {
      const names = [`p/${what}-${size}:v0`, `p/${what}-${size}:v1`]
      const { seconds, peakMiB, stdout } = runArtifact(
        ['diff', ...names],
        { ARTIFACT_HOME: home },
        { code: 1 },
      )
      const lines = stdout.split('\n').length - 2
      const expected = what === 'one' ? 1 : 2 * size
      if (lines !== expected) throw new Error(`${lines} changes instead of ${expected}`)
      const known = measured.get(`${size} | ${what}`) ?? { seconds: [], peaks: [] }
      measured.set(`${size} | ${what}`, known)
      known.seconds.push(seconds)
      known.peaks.push(peakMiB)
    }
  }
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}

console.log(`${rounds} rounds; ${describeMachine()}\n`)
console.log('| files | that differ | seconds | peak MiB |\n| --- | --- | --- | --- |')
for (const [key, { seconds, peaks }] of measured) {
  console.log(`| ${key} | ${summarize(seconds).text} | ${Math.round(Math.max(...peaks))} |`)
}
work.remove()
