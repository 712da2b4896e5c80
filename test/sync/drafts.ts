import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { listEntries } from '../../fixtures/list-entries.js'
import { listRows } from '../../fixtures/list-rows.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { EntryTable } from '../../src/artifact/entry-table.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, type Digest, init, type LoggedArtifact, Table } from '../../src/index.js'
import { quarantineKeys } from '../../src/store/quarantine.js'
import { sweepStore } from '../../src/store/sweep-store.js'

const FILES = 700
const pathOf = (n: number) => `many/${String(n).padStart(4, '0')}.bin`
const FILE_BYTES = 2000

/** A server with a version of `cats`, which came from `here`, and an empty store `there`. */
async function shareCats(t: Test) {
  const { folder } = useHome(t)
  const serverHome = join(folder, 'server')
  const server = await startServer({ home: serverHome, host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const proxy = await startProxy(t, server.url)
  const machine = (name: string, remote = proxy.url) => {
    const home = join(folder, name)
    t.teardown(() => sharedStore(home).close())
    return init({ project: 'p', home, remote })
  }
  const here = await machine('here')
  const artifact = new Artifact({ name: 'cats', type: 'dataset', home: join(folder, 'here') })
  for (let n = 0; n < FILES; n += 1) {
    void artifact.newFile(pathOf(n), seededBytes(`${n}`, FILE_BYTES))
  }
  await artifact.add(new Table({ columns: ['n'], data: [[1], [2]] }), 'tables/cats')
  await here.logArtifact(artifact).wait()
  const takeTraffic = () => {
    const requests = proxy.requests
      .splice(0)
      .map(line => line.replace(/^(\w+) .*\/(\w+).*/, '$1 $2'))
    const { uploaded, downloaded } = proxy
    proxy.uploaded = 0
    proxy.downloaded = 0
    return { requests, uploaded, downloaded }
  }
  takeTraffic()
  const thereHome = join(folder, 'there')
  const there = await machine('there')
  return { folder, server, serverHome, here, there, thereHome, machine, takeTraffic }
}

/** What of a version's files is in a store. */
async function listHeld(home: string, version: LoggedArtifact): Promise<string[]> {
  const { catalog } = sharedStore(home)
  const held: string[] = []
  for await (const { path, digest } of version.entries()) {
    const [place] = await catalog.locate([{ kind: 'blob', digest: digest as Digest }])
    if (place) held.push(path)
  }
  return held
}

t.test(
  'a draft of what only the remote has fetches its manifest, and sends what is new',
  async t => {
    const { folder, here, there, thereHome, takeTraffic } = await shareCats(t)
    const first = await there.useArtifact('cats')
    const draft = await first.newDraft()
    const fetched = takeTraffic()
    t.ok(fetched.requests.length <= 4, fetched.requests.join())
    const isEvicted = async () => {
      return (await sharedStore(thereHome).catalog.getVersion(first.id))?.evicted === true
    }
    t.ok(await isEvicted(), 'its files are to be fetched when it is used')
    const again = await there.useArtifact('cats')
    await there.logArtifact(await again.newDraft()).committed
    t.ok(await isEvicted(), 'and still are')
    takeTraffic()
    t.ok(fetched.downloaded < 80_000, `${fetched.downloaded} of ${FILES * FILE_BYTES} bytes`)

    await draft.remove(pathOf(7))
    await draft.newFile('new.txt', 'new')
    const second = there.logArtifact(draft)
    await second.committed
    t.same(takeTraffic().requests, [], 'it is logged without the remote')
    t.match(second, { version: 'v1', fileCount: FILES + 1, state: 'pending', evicted: true })
    t.same(await listHeld(thereHome, second), ['new.txt'])
    await sweepStore(sharedStore(thereHome))
    t.same(await listHeld(thereHome, second), ['new.txt'], 'what is not on the remote stays')

    await second.wait()
    const sent = takeTraffic()
    t.ok(sent.requests.length <= 5, sent.requests.join())
    t.ok(sent.uploaded < 150_000, `${sent.uploaded} bytes`)
    t.equal(sent.downloaded < 10_000, true)
    t.match(second, { version: 'v1', state: 'synced' })

    const seen = await here.useArtifact('cats')
    t.match(seen, { id: second.id, digest: second.digest })
    const root = await seen.download({ root: join(folder, 'seen') })
    t.ok(hashTree(root).some(([path]) => path === 'new.txt'))
    t.strictSame(await listRows(await second.get('tables/cats')), [[1], [2]], 'fetched for it')
    const own = await second.download({ root: join(folder, 'own') })
    t.same(hashTree(own), hashTree(root))
    const { requests } = takeTraffic()
    t.ok(requests.length <= 6, requests.join())
    const whole = await there.useArtifact('cats:v1')
    await whole.fetch()
    const known = await there.useArtifact('cats:v1')
    t.match(known, { id: second.id, evicted: false })
    t.equal(hashTree(await first.download({ root: join(folder, 'first') })).length, FILES + 1)
    t.notOk(await isEvicted())
  },
)

t.test('a draft that is not synced yet fetches the files of its base at once', async t => {
  const { folder, there, takeTraffic } = await shareCats(t)
  const draft = await (await there.useArtifact('cats')).newDraft()
  await draft.newFile('new.txt', 'new')
  const second = there.logArtifact(draft)
  await second.committed
  takeTraffic()
  const used = await there.useArtifact('cats:v1')
  t.equal(hashTree(await used.download({ root: join(folder, 'own') })).length, FILES + 2)
  const { requests } = takeTraffic()
  t.ok(requests.length <= 5, requests.join())
})

t.test('an evicted version comes again in as few requests as a new one', async t => {
  const { there, thereHome, takeTraffic } = await shareCats(t)
  const whole = await there.useArtifact('cats')
  await whole.fetch()
  const first = takeTraffic()
  const store = sharedStore(thereHome)
  const listHeld = async (roots: { id: string }[]) => new Set(roots.map(({ id }) => id))
  const { evicted } = await sweepStore(store, { limit: 0, listHeld })
  t.match(evicted, [{ id: whole.id }])
  const again = await there.useArtifact('cats')
  t.equal(again.evicted, true)
  t.ok((await again.fetch()) >= FILES * FILE_BYTES)
  const second = takeTraffic()
  t.ok(second.requests.length <= first.requests.length, second.requests.join())
  t.same((await again.verify()).problems, [])
  t.equal((await there.useArtifact('cats')).evicted, false)
})

t.test('an incremental artifact is merged onto what the remote has', async t => {
  const { here, there, thereHome, takeTraffic } = await shareCats(t)
  const more = new Artifact({ name: 'cats', type: 'dataset', incremental: true, home: thereHome })
  await more.newFile('tables/cats.table.json', '{}')
  await more.remove('many')
  const second = there.logArtifact(more)
  await second.committed
  t.ok(takeTraffic().downloaded < 80_000)
  t.match(second, { version: 'v1', fileCount: 1 })
  await second.wait()
  t.same(await listEntries(await here.useArtifact('cats:v1')), ['tables/cats.table.json'])
})

t.test('bytes that leave the store meanwhile matter only if no remote has them', async t => {
  const { there, thereHome } = await shareCats(t)
  const store = sharedStore(thereHome)
  /** Takes a file out of the store, which gives it another epoch. */
  const lose = async (version: LoggedArtifact, lost: string) => {
    for await (const { path, digest, size } of version.entries()) {
      if (path !== lost) continue
      await damageBlob(store, digest as Digest)
      await quarantineKeys(store, [{ kind: 'blob', digest: digest as Digest, size }])
    }
  }
  const base = await there.useArtifact('cats')
  const draft = await base.newDraft()
  await draft.newFile('0.txt', 'zero')
  await draft.newFile(`${pathOf(9)}x`, 'nine')
  const pending = there.logArtifact(draft)
  await pending.committed

  const again = await base.newDraft()
  await again.newFile('0.txt', 'other')
  await again.remove(pathOf(9))
  await lose(pending, '0.txt')
  await there.logArtifact(again).committed
  t.pass('a remote has the rest')

  const late = await pending.newDraft()
  await late.newFile('1.txt', 'one')
  await lose(pending, `${pathOf(9)}x`)
  await t.rejects(there.logArtifact(late).committed, { code: 'BLOB_MISSING' })
})

t.test('a draft of what the remote has lost fails there, by name', async t => {
  const { folder, there, machine, serverHome } = await shareCats(t)
  const served = sharedStore(serverHome)
  t.teardown(() => served.close())
  const base = await there.useArtifact('cats')
  const draft = await base.newDraft()
  const { digest, size } = (await draft.base!.find(pathOf(5), new EntryTable()))!
  await damageBlob(served, digest as Digest)
  await quarantineKeys(served, [{ kind: 'blob', digest: digest as Digest, size }])
  await draft.remove(pathOf(600))
  const lost = { code: 'BLOB_MISSING', message: new RegExp(pathOf(5)) }
  const second = there.logArtifact(draft)
  await t.rejects(second.wait(), lost)

  const whole = await second.newDraft()
  await whole.newFile(pathOf(5), 'new', { overwrite: true })
  const third = there.logArtifact(whole)
  await third.committed
  t.match(third, { version: 'v2' })

  const other = await startServer({ home: join(folder, 'other'), host: '127.0.0.1', port: 0 })
  t.teardown(() => other.close())
  const elsewhere = await machine('there', other.url)
  const moved = elsewhere.logArtifact(await base.newDraft())
  await t.rejects(moved.wait(), { code: 'BLOB_MISSING' })
})
