import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openAlone } from '../../fixtures/crash/open-alone.js'
import { createRandom } from '../../fixtures/crash/random.js'
import { startNode } from '../../fixtures/run-node.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { readStored } from '../../fixtures/store/read-stored.js'
import { isArtifactError } from '../../src/errors.js'
import { parseDigest } from '../../src/model/digest.js'
import { homePaths } from '../../src/model/home.js'
import { readEntries } from '../../src/store/manifest.js'
import { openStore } from '../../src/store/store.js'

const SEED = 20_251_125
const FLIPS_A_KIND = 30

/** Versions by their ids, and the files in each. */
type Logged = Map<string, Record<string, Buffer>>

/** Some versions, in two rounds: opening moves what the index got before into a table. */
async function makeStore(base: string, home: string): Promise<Logged> {
  const random = createRandom(SEED)
  const logged: Logged = new Map()
  for (let round = 0; round < 2; round += 1) {
    const store = openStore(home)
    for (let version = 0; version < 3; version += 1) {
      const folder = join(base, `input ${round} ${version}`)
      const files: Record<string, Buffer> = {}
      mkdirSync(folder)
      for (const size of version === 0 ? [200, 3000, 270_000] : [150, 2000]) {
        const bytes = Buffer.from(Array.from({ length: size }, () => random() * 256))
        files[`${size}.bin`] = bytes
        writeFileSync(join(folder, `${size}.bin`), bytes)
      }
      logged.set((await logTree(store, folder)).id, files)
    }
    await store.close()
  }
  return logged
}

const kinds: [kind: string, pattern: RegExp][] = [
  ['the journal', /^journal\//],
  ['packs', /^packs\//],
  ['objects', /^objects\//],
  ['the log of the index', /^catalog\/\d+\.log$/],
  ['tables of the index', /^catalog\/\d+\.ldb$/],
  ['the manifest of the index', /^catalog\/MANIFEST/],
  ['CURRENT of the index', /^catalog\/CURRENT$/],
  ['store.json', /^store\.json$/],
]

function listFiles(home: string): string[] {
  return readdirSync(home, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(home, join(entry.parentPath, entry.name)))
}

function flipBit(path: string, random: () => number): string {
  const bytes = readFileSync(path)
  const at = Math.floor(random() * bytes.length)
  const bit = Math.floor(random() * 8)
  bytes[at]! ^= 1 << bit
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
  return `bit ${bit} of byte ${at}`
}

type Outcome = { is: 'whole' } | { is: 'told'; code: string } | { is: 'wrong'; what: string }

/** Reads everything that was logged. */
async function readAll(home: string, logged: Logged, damaged: string): Promise<Outcome> {
  let outcome: Outcome = { is: 'whole' }
  try {
    const { store, close } = await openAlone(home)
    try {
      for (const [id, files] of logged) {
        const version = await store.catalog.getVersion(id)
        if (!version) return { is: 'wrong', what: `@${id} is lost and nobody says so` }
        try {
          for await (const entries of readEntries(store, version.pieces)) {
            for (const { path, digest, size } of entries) {
              const bytes = await readStored(store, { digest: parseDigest(digest), size })
              if (!bytes) outcome = { is: 'told', code: 'absent' }
              else if (!bytes.equals(files[path]!)) return { is: 'wrong', what: `other ${path}` }
            }
          }
        } catch (error) {
          outcome = judge(error, '')
        }
      }
    } finally {
      await close()
    }
  } catch (error) {
    outcome = judge(error, damaged)
  }
  return outcome
}

/** A failure is told if it has a code and, where the store does not open, names the file. */
function judge(error: unknown, damaged: string): Outcome {
  const message = (error as Error).message
  if (/other bytes are under/.test(message)) return { is: 'told', code: 'other digest' }
  if (!isArtifactError(error)) return { is: 'wrong', what: `${error}` }
  const named = message.includes(damaged) || message.includes(damaged.split('/')[0]!)
  return named ? { is: 'told', code: error.code } : { is: 'wrong', what: `${error} names no file` }
}

t.test('a flipped bit anywhere loses nothing unseen and gives no wrong bytes', async t => {
  const base = t.testdir({ home: {} })
  const home = join(base, 'home')
  const logged = await makeStore(base, home)
  const random = createRandom(SEED)
  const files = listFiles(home)
  t.comment(`seed ${SEED}`)
  for (const [kind, pattern] of kinds) {
    const names = files.filter(name => pattern.test(name))
    t.ok(names.length > 0, `there are ${kind}`)
    const counts = new Map<string, number>()
    for (let flip = 0; flip < FLIPS_A_KIND; flip += 1) {
      const copy = join(base, 'copy')
      cpSync(home, copy, { recursive: true })
      const name = names[Math.floor(random() * names.length)]!
      const where = flipBit(join(copy, name), random)
      // Packs are read by their own indexes when the index of the store is gone.
      const rebuilds = !name.startsWith('catalog') && !name.startsWith('journal') && flip % 2 === 1
      if (rebuilds) rmSync(homePaths(copy).catalog, { recursive: true })
      const outcome = await readAll(copy, logged, name)
      const result = outcome.is === 'told' ? outcome.code : outcome.is
      counts.set(result, (counts.get(result) ?? 0) + 1)
      if (outcome.is === 'wrong') t.fail(`${where} of ${name}: ${outcome.what}`)
      rmSync(copy, { recursive: true })
    }
    t.comment(`${kind}: ${[...counts].map(([what, count]) => `${count} ${what}`).join(', ')}`)
  }
})

t.test('a flipped bit in the announcement of a dead host is harmless or told', async t => {
  const home = join(t.testdir(), 'home')
  const script = fileURLToPath(new URL('../../fixtures/hold-host.js', import.meta.url))
  const { child, ended, sees } = startNode([script, home])
  await sees(/ready/)
  child.kill('SIGKILL')
  await ended
  const path = join(homePaths(home).host, 'host.json')
  const bytes = readFileSync(path)
  const random = createRandom(SEED)
  const counts = new Map<string, number>()
  for (let flip = 0; flip < 12; flip += 1) {
    writeFileSync(path, bytes)
    flipBit(path, random)
    const store = openStore(home)
    const result = await store.catalog.listVersions({}).then(
      () => 'whole',
      error => (isArtifactError(error) ? error.code : `${error}`),
    )
    t.match(result, /^(?:whole|PROTOCOL_UNSUPPORTED|STORE_\w+)$/)
    counts.set(result, (counts.get(result) ?? 0) + 1)
    await store.close()
  }
  t.comment([...counts].map(([what, count]) => `${count} ${what}`).join(', '))
})
