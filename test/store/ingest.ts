import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startNode } from '../../fixtures/run-node.js'
import { listStored } from '../../fixtures/store/list-stored.js'
import { readStored } from '../../fixtures/store/read-stored.js'
import { LARGE_BYTES, type Policy } from '../../src/store/file-ingester.js'
import { openStore, type Store } from '../../src/store/store.js'
import type { StoredFile } from '../../src/store/store-files.js'

const isRoot = process.getuid?.() === 0

function makeStore(t: Test): { folder: string; store: Store } {
  const folder = t.testdir()
  const store = openStore(join(folder, 'home'))
  t.teardown(() => store.close())
  return { folder, store }
}

function writeAll(folder: string, contents: (string | Buffer)[]): string[] {
  return contents.map((content, i) => {
    const file = join(folder, `file-${i}`)
    writeFileSync(file, content)
    return file
  })
}

async function addAll(store: Store, files: string[], policy: Policy = 'mutable') {
  const ingest = store.ingest()
  const stored = await Promise.all(files.map(file => ingest.addFile(file, policy)))
  return { stored, published: await ingest.finish() }
}

const keyOf = ({ digest, stat }: StoredFile) => ({ digest, size: stat.size })

const script = (name: string) =>
  fileURLToPath(new URL(`../../fixtures/store/${name}.js`, import.meta.url))

t.test('files of all sizes come back byte for byte', async t => {
  const { folder, store } = makeStore(t)
  const sizes = [0, 1, LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 1, 5 << 20, (9 << 20) + 3]
  const contents = sizes.map(size => randomBytes(size))
  const files = writeAll(folder, contents)
  const { stored, published } = await addAll(store, files)
  for (const [i, one] of stored.entries()) {
    t.match(one, { isNew: true, stat: { size: sizes[i], ino: String(statSync(files[i]!).ino) } })
    t.ok((await readStored(store, keyOf(one)))?.equals(contents[i]!), `${sizes[i]} bytes`)
  }
  t.equal(published.objects.length, 4)
  const { records, objects } = listStored(store.home)
  t.equal(records.length, 3)
  t.equal(objects.length, 4)
  t.same(new Set(objects.map(path => statSync(path).mode & 0o777)), new Set([0o444]))

  const again = await addAll(store, files)
  t.same(again.published, { packs: [], objects: [] })
  for (const [i, one] of again.stored.entries()) {
    t.match(one, { isNew: false, digest: stored[i]!.digest })
  }
})

t.test('content is stored once, however often it comes', async t => {
  const { folder, store } = makeStore(t)
  const contents = Array.from({ length: 12 }, () => randomBytes(10_000))
  const large = randomBytes(LARGE_BYTES * 3)
  const files = writeAll(
    folder,
    Array.from({ length: 600 }, (_, i) => (i % 100 === 7 ? large : contents[i % 12]!)),
  )
  const { stored } = await addAll(store, files)
  t.equal(stored.filter(({ isNew }) => isNew).length, 13)
  const { records, objects } = listStored(store.home)
  t.equal(records.length, 12)
  t.equal(
    records.reduce((sum, { storedLength }) => sum + storedLength, 0),
    12 * 10_000,
  )
  t.equal(objects.length, 1)
  const left = spawnSync('find', [join(store.home, 'tmp'), '-name', '*.object'])
  t.equal(left.stdout.toString(), '', 'copies that were not needed are gone')

  const two = store.ingest()
  const bytes = await two.addBytes('blob', [contents[0]!, contents[0]!, Buffer.from('new')])
  t.same(
    bytes.map(({ isNew }) => isNew),
    [false, false, true],
  )
  const [piece] = await two.addBytes('piece', [contents[0]!])
  t.ok(piece?.isNew, 'a piece is not the file that has its bytes')
})

t.test('a file that changes while it is read is named, and others are stored', async t => {
  const { folder, store } = makeStore(t)
  for (const policy of ['mutable', 'immutable'] as const) {
    // To read it takes longer than the writer ever waits for its turn beside other tests.
    const [busy, quiet] = writeAll(folder, [Buffer.alloc(192 << 20), `quiet ${policy}`])
    const writer = startNode([script('append-forever'), busy!])
    await writer.sees(/appending/)
    const ingest = store.ingest()
    const [changed, fine] = await Promise.allSettled([
      ingest.addFile(busy!, policy),
      ingest.addFile(quiet!, policy),
    ])
    writer.child.kill('SIGKILL')
    await writer.ended
    t.match(changed, { reason: { code: 'FILE_CHANGED', details: { file: busy } } })
    t.match(changed, { reason: { message: new RegExp(busy!) } })
    t.equal(fine.status, 'fulfilled')
    await ingest.finish()
    t.same(listStored(store.home).objects, [])
  }
  const file = join(folder, 'file-0')
  const { stored } = await addAll(store, [file])
  t.ok((await readStored(store, keyOf(stored[0]!)))?.equals(readFileSync(file)))
})

t.test('what cannot be stored is named, and others are stored', async t => {
  const { folder, store } = makeStore(t)
  const [good] = writeAll(folder, ['good'])
  const at = (name: string) => join(folder, name)
  mkdirSync(at('folder'))
  symlinkSync('nowhere', at('dangling'))
  symlinkSync('file-0', at('link'))
  t.equal(spawnSync('mkfifo', [at('fifo')]).status, 0)
  // The path of a socket must be short.
  const short = mkdtempSync(join(tmpdir(), 'artifactd-'))
  const socket = join(short, 'socket')
  const server = createServer().listen(socket)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    rmSync(short, { recursive: true })
  })
  const cases: [string, string][] = [
    [at('vanished'), 'FILE_NOT_FOUND'],
    [join(good!, 'below'), 'FILE_NOT_FOUND'],
    [at('dangling'), 'FILE_NOT_FOUND'],
    [at('folder'), 'FILE_UNSUPPORTED'],
    [at('fifo'), 'FILE_UNSUPPORTED'],
    [socket, 'FILE_UNSUPPORTED'],
    [at('n'.repeat(300)), 'FILE_UNREADABLE'],
  ]
  for (const policy of ['mutable', 'immutable'] as const) {
    const ingest = store.ingest()
    const results = await Promise.allSettled(
      [...cases.map(([file]) => file), good!, at('link')].map(file => ingest.addFile(file, policy)),
    )
    for (const [i, [file, code]] of cases.entries()) {
      t.match(results[i], { reason: { code, details: { file } } }, `${policy} ${code}`)
    }
    t.match(results.slice(cases.length), [{ status: 'fulfilled' }, { status: 'fulfilled' }])
    t.equal(ingest.failure, undefined)
    await ingest.finish()
  }
  const link = await store.ingest().addFile(at('link'), 'mutable')
  t.equal(String(await readStored(store, keyOf(link))), 'good')
})

t.test(
  'a file that says it is empty and is not is never stored as empty',
  { skip: process.platform !== 'linux' && 'only Linux has /proc' },
  async t => {
    const { store } = makeStore(t)
    const file = '/proc/self/status'
    t.equal(statSync(file).size, 0)
    const added = store.ingest().addFile(file, 'mutable')
    await t.rejects(added, { code: 'FILE_CHANGED', details: { file } })
  },
)

t.test(
  'a file that may not be read is named',
  { skip: isRoot && 'root may read every file' },
  async t => {
    const { folder, store } = makeStore(t)
    const [secret] = writeAll(folder, ['secret'])
    chmodSync(secret!, 0)
    await t.rejects(store.ingest().addFile(secret!, 'mutable'), {
      code: 'FILE_UNREADABLE',
      details: { file: secret },
    })
  },
)

t.test(
  'what a killed writer left is removed by the next, unlike what a living one has',
  async t => {
    const { folder, store } = makeStore(t)
    const start = async (name: string) => {
      const file = join(folder, name)
      writeFileSync(file, randomBytes(5000))
      const held = startNode([script('hold-ingest'), store.home, file])
      const [, path] = await held.sees(/^added in (.*)$/m)
      return { ...held, file, folder: basename(path!) }
    }
    const [dead, living] = await Promise.all([start('dead'), start('living')])
    t.same(listStored(store.home).writers.toSorted(), [dead.folder, living.folder].toSorted())
    dead.child.kill('SIGKILL')
    await dead.ended

    const before = listStored(store.home)
    t.same(before.records, [], 'what was not finished is not there')
    t.ok(before.writers.includes(dead.folder))
    const { stored } = await addAll(store, [dead.file])
    t.equal(stored[0]?.isNew, true)
    const { writers } = listStored(store.home)
    t.notOk(writers.includes(dead.folder))
    t.ok(writers.includes(living.folder))
    t.equal(writers.length, 2)
    living.child.kill('SIGKILL')
    await living.ended
    await store.close()
    t.same(listStored(store.home).writers, [living.folder])
  },
)

t.test('immutable files stay where they are', async t => {
  const { folder, store } = makeStore(t)
  const large = randomBytes(LARGE_BYTES * 2)
  const [small, whole, twin, copied] = writeAll(folder, ['in place', large, 'in place', large])
  const { stored, published } = await addAll(store, [small!, whole!], 'immutable')
  t.match(stored, [{ isNew: true, stat: { size: 8 } }, { isNew: true }])
  t.same(published, { packs: [], objects: [] })
  t.same(await Promise.all(stored.map(one => readStored(store, keyOf(one)))), [null, null])

  // The same content, mutable, is copied: also while the others are still known to this ingest.
  const again = await addAll(store, [twin!, copied!], 'mutable')
  t.match(again.stored, [{ isNew: true }, { isNew: true }])
  t.equal(String(await readStored(store, keyOf(stored[0]!))), 'in place')
  t.ok((await readStored(store, keyOf(stored[1]!)))?.equals(large))
  const third = await addAll(store, [small!], 'immutable')
  t.equal(third.stored[0]?.isNew, false, 'the store has it')
})

t.test('mutable and immutable adds of one content at once leave a copy', async t => {
  const { folder, store } = makeStore(t)
  const contents = Array.from({ length: 200 }, (_, i) => `content ${i >> 1}`)
  const files = writeAll(folder, contents)
  const ingest = store.ingest()
  const stored = await Promise.all(
    files.map((file, i) => ingest.addFile(file, i % 4 < 2 === i % 2 < 1 ? 'immutable' : 'mutable')),
  )
  await ingest.finish()
  for (const [i, one] of stored.entries()) {
    const bytes = await readStored(store, keyOf(one))
    if (String(bytes) !== contents[i]) t.fail(`"${contents[i]}" is not in the store`)
  }
  t.equal(listStored(store.home).records.length, 100)
})

t.test('a closed ingest takes nothing and leaves nothing', async t => {
  const { folder, store } = makeStore(t)
  const files = writeAll(folder, ['a', 'b'])
  const ingest = store.ingest()
  await ingest.addFile(files[0]!, 'mutable')
  await ingest.close()
  await t.rejects(ingest.addFile(files[1]!, 'mutable'), { code: 'STORE_FAILED' })
  await t.rejects(ingest.finish(), { code: 'STORE_FAILED' })
  t.same(listStored(store.home), { records: [], objects: [], writers: [] })
  const { stored } = await addAll(store, files)
  t.match(stored, [{ isNew: true }, { isNew: true }])
})
