import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { listStored } from '../../fixtures/store/list-stored.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { homePaths, objectPath, packPath } from '../../src/model/home.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { repairStore } from '../../src/store/repair-store.js'
import { openStore, type Store } from '../../src/store/store.js'
import { verifyStore } from '../../src/store/verify-store.js'

const large = Buffer.alloc(600_000, 'large ')
const second = Buffer.alloc(700_000, 'second ')
const small = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`${i}.txt`, `file ${i}`]))

const hasher = await createHasher('xxh128')
const digestOf = (content: string | Buffer) => hashBytes(hasher, Buffer.from(content as string))

async function setUp(t: Test) {
  const source = { ...small, 'large.bin': large, 'second.bin': second }
  const base = t.testdir({ source })
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  const version = await logTree(store, join(base, 'source'))
  const list = async (options = {}) => {
    const { problems } = await verifyStore(store, options)
    return problems.map(({ problem, what }) => `${problem} ${what}`)
  }
  return { base, store, version, source: join(base, 'source'), list }
}

/** Flips a bit of a file that nobody may write to. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at < 0 ? bytes.length + at : at]! ^= 1
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
}

const listPacks = ({ home }: Store) =>
  readdirSync(homePaths(home).packs, { recursive: true, encoding: 'utf8' })
    .map(name => /([0-9a-f]{16})\.pack$/.exec(name)?.[1])
    .filter(packId => packId !== undefined)

t.test('a whole store is read to its end', async t => {
  const { store } = await setUp(t)
  const progress: { bytes: number; totalBytes?: number }[] = []
  const result = await verifyStore(store, { onProgress: step => void progress.push(step) })
  const { records, objects } = listStored(store.home)
  t.match(result, { problems: [], versions: 1, journalRecords: 1, damaged: [], unsound: [] })
  t.equal(result.records, records.length + objects.length)
  t.equal(result.files, listPacks(store).length + objects.length)
  t.match(progress.at(-1), { bytes: result.bytes, totalBytes: result.bytes })
  t.notOk(existsSync(homePaths(store.home).verifyState))
})

t.test('damage of each kind is named, nothing is changed, and repair ends it', async t => {
  const { base, store, version, source, list } = await setUp(t)
  const piece = version.pieces[0]!.digest
  await damageBlob(store, digestOf('file 7'))
  await damageBlob(store, digestOf(large))
  await damageBlob(store, piece, 'piece')
  const damaged = [`blob/${digestOf('file 7')}`, `blob/${digestOf(large)}`, `piece/${piece}`]
  const expected = damaged.map(name => `damaged ${name}`).sort()
  t.same((await list()).sort(), expected)
  t.same((await list()).sort(), expected, 'it is the same the second time')
  t.notOk(existsSync(homePaths(store.home).damaged))

  const { lost } = await repairStore(store)
  t.same(
    lost.map(({ kind, digest }) => `${kind}/${digest}`),
    [`piece/${piece}`],
  )
  await logTree(store, source)
  t.same(await list(), [])
  t.equal(readdirSync(homePaths(store.home).damaged).length, 3)
  await checkoutVersion(store, version, join(base, 'out'))
})

t.test('a damaged header, index or journal is named', async t => {
  const { base, store, version, list } = await setUp(t)
  for (const at of [3, -3]) {
    const [place] = await store.catalog.locate([{ kind: 'blob', digest: digestOf('file 7') }])
    if (place?.in !== 'pack') throw new Error('a small file lies in a pack')
    const pack = packPath(store.home, place.packId)
    flip(pack, at)
    t.same(await list(), [`pack ${pack}`])
    t.match(await repairStore(store), { lost: [] })
    t.same(await list(), [], 'nothing depends on that pack any more')
    await checkoutVersion(store, version, join(base, `out ${at}`))
  }
  const segment = join(homePaths(store.home).journal, '1.log')
  await logTree(store, join(base, 'source'), 'another')
  flip(segment, 60)
  t.same(await list(), [`journal ${segment}`])
  t.match(await repairStore(store), { journal: [{ problem: 'journal', what: segment }] })
})

t.test('what the catalog has and the disk has not is named', async t => {
  const { store, list } = await setUp(t)
  rmSync(objectPath(store.home, digestOf(large)))
  t.same(await list(), [`missing blob/${digestOf(large)}`])
})

t.test('a cancelled run is gone on with', async t => {
  const { store, list } = await setUp(t)
  const { verifyState } = homePaths(store.home)
  await damageBlob(store, digestOf(large))
  await damageBlob(store, digestOf('file 7'))
  const whole = await verifyStore(store)
  t.equal(whole.files >= 3, true)

  // The objects come first: when the first file is done, there is more to do.
  const stop = new AbortController()
  const onProgress = ({ files }: { files: number }) => {
    if (files > 0) stop.abort()
  }
  const interrupted = verifyStore(store, { signal: stop.signal, onProgress })
  const ended = await interrupted.then(
    () => 'done',
    error => error.code,
  )
  t.equal(ended === 'INTERRUPTED', existsSync(verifyState), 'it left a note unless it was done')

  // As one that was stopped after the objects.
  const note = {
    startedAt: new Date(Date.now() - 3_600_000).toISOString(),
    after: 'objects/zz',
    files: 2,
    records: 2,
    bytes: large.length + second.length,
    damaged: whole.damaged.filter(({ key }) => key.digest === digestOf(large)),
    unsound: [],
  }
  writeFileSync(verifyState, JSON.stringify(note))
  const resumed = await verifyStore(store)
  t.same(resumed, { ...whole, startedAt: note.startedAt }, 'all that was found in both parts')
  t.notOk(existsSync(verifyState))

  const damaged = [`damaged blob/${digestOf(large)}`, `damaged blob/${digestOf('file 7')}`].sort()
  for (const content of [JSON.stringify({ ...note, damaged: [] }), '{"after":']) {
    writeFileSync(verifyState, content)
    t.same((await list({ restart: true })).sort(), damaged, 'from the start')
  }
  writeFileSync(verifyState, '{"after":')
  t.same((await list()).sort(), damaged, 'a note that is not whole does not count')
  const old = { ...note, damaged: [], startedAt: '2020-01-01T00:00:00.000Z' }
  writeFileSync(verifyState, JSON.stringify(old))
  t.same((await list()).sort(), damaged, 'nor does one of long ago')
})

t.test('dead bytes in packs are no problem', async t => {
  const { store, source, list } = await setUp(t)
  await damageBlob(store, digestOf('file 7'))
  await repairStore(store)
  await logTree(store, source)
  t.same(await list(), [])
})
