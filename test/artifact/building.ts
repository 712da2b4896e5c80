import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact, type Progress, type WorkOptions } from '../../src/index.js'

type How = [artifact: Artifact, options: WorkOptions]

const { folder } = useHome(t, {
  one: { 'a.txt': 'first', 'same.txt': 'same' },
  two: { 'a.txt': 'second', 'same.txt': 'same', 'new.txt': 'new' },
})
const file = (path: string) => join(folder, path)

let made = 0
const make = () => new Artifact({ name: `artifact-${made++}`, type: 'dataset' })

async function contentOf(artifact: Artifact, path: string): Promise<string> {
  const logged = await artifact.save()
  const root = await logged.download({ root: join(folder, 'out', artifact.name) })
  return readFileSync(join(root, path), 'utf8')
}

t.test('the same content twice changes nothing, other content is a conflict', async t => {
  const artifact = make()
  await artifact.addFile(file('one/same.txt'))
  await artifact.addFile(file('two/same.txt'))
  await artifact.newFile('same.txt', 'same')
  t.same(await listEntries(artifact), ['same.txt'])

  const first = file('one/a.txt')
  const second = file('two/a.txt')
  await artifact.addFile(first)
  await t.rejects(artifact.addFile(second), {
    code: 'ENTRY_CONFLICT',
    message: /one\/a\.txt.*two\/a\.txt/,
    details: { path: 'a.txt', sources: [first, second] },
  })
  await t.rejects(artifact.save(), { code: 'ENTRY_CONFLICT' })
})

t.test('overwrite replaces an entry', async t => {
  const artifact = make()
  await artifact.addFile(file('one/a.txt'))
  await artifact.addFile(file('two/a.txt'), { overwrite: true })
  t.equal(await contentOf(artifact, 'a.txt'), 'second')

  const other = make()
  await other.newFile('a.txt', 'x')
  await t.rejects(other.newFile('a.txt', 'y'), { code: 'ENTRY_CONFLICT' })
  const third = make()
  await third.newFile('a.txt', 'x')
  await third.newFile('a.txt', 'y', { overwrite: true })
  await third.newFile('a.txt', writer => writer.write('z'), { overwrite: true })
  t.equal(await contentOf(third, 'a.txt'), 'z')
})

t.test('merge replaces what differs and removes nothing', async t => {
  const artifact = make()
  await artifact.addDir(file('two'))
  await artifact.addDir(file('one'), { merge: true })
  t.same(await listEntries(artifact), ['a.txt', 'new.txt', 'same.txt'])
  t.equal(await contentOf(artifact, 'a.txt'), 'first')

  const other = make()
  await other.addDir(file('two'))
  await t.rejects(other.addDir(file('one')), { code: 'ENTRY_CONFLICT', details: { path: 'a.txt' } })
})

t.test('each add is compared with what it follows, be it a file or a folder', async t => {
  const one = file('one')
  const two = file('two')
  const last: [what: string, build: (artifact: Artifact) => Promise<void>, content: string][] = [
    [
      'folder, merged folder, file',
      async artifact => {
        await artifact.addDir(one)
        await artifact.addDir(two, { merge: true })
        await artifact.addFile(join(two, 'a.txt'))
      },
      'second',
    ],
    [
      'file, merged folder, file',
      async artifact => {
        await artifact.addFile(join(one, 'a.txt'))
        await artifact.addDir(two, { merge: true })
        await artifact.addFile(join(two, 'a.txt'))
      },
      'second',
    ],
    [
      'folder, file, folder',
      async artifact => {
        await artifact.addDir(one)
        await artifact.newFile('a.txt', 'second', { overwrite: true })
        await artifact.addDir(two)
      },
      'second',
    ],
    [
      'three merged folders',
      async artifact => {
        await artifact.addDir(one)
        await artifact.addDir(two, { merge: true })
        await artifact.addDir(one, { merge: true })
      },
      'first',
    ],
  ]
  for (const [what, build, content] of last) {
    const artifact = make()
    await build(artifact)
    t.equal(await contentOf(artifact, 'a.txt'), content, what)
  }
  const artifact = make()
  await artifact.addDir(one)
  await artifact.addDir(two, { merge: true })
  await t.rejects(artifact.addFile(join(one, 'a.txt')), {
    code: 'ENTRY_CONFLICT',
    details: { sources: [join(two, 'a.txt'), join(one, 'a.txt')] },
  })
})

t.test('where two adds that were not awaited claim one path, the later call decides', async t => {
  const big = 'big '.repeat(200_000)
  const folders = t.testdir({ slow: { x: big }, quick: { x: 'quick' } })
  const rounds = 4
  for (let round = 0; round < rounds; round += 1) {
    const artifact = make()
    void artifact.addFile(join(folders, 'slow/x'))
    void artifact.addFile(join(folders, 'quick/x'), { overwrite: true })
    t.equal(await contentOf(artifact, 'x'), 'quick')

    const reverse = make()
    void reverse.addFile(join(folders, 'quick/x'))
    void reverse.addFile(join(folders, 'slow/x'), { overwrite: true })
    t.ok((await contentOf(reverse, 'x')) === big)
  }
  const artifact = make()
  const add = artifact.addFile(join(folders, 'slow/x'), { overwrite: true })
  const late = artifact.newFile('x', 'late')
  const ends = await Promise.allSettled([add, late])
  t.equal(ends.filter(({ status }) => status === 'rejected').length, 1)
  await t.rejects(artifact.save(), {
    code: 'ENTRY_CONFLICT',
    details: { sources: [join(folders, 'slow/x'), 'new file x'] },
  })
})

t.test('a path cannot be a folder of another', async t => {
  const pairs = [
    ['a', 'a/b'],
    ['a/b/c/d', 'a/b'],
    ['a', 'a/b/c'],
  ]
  for (const [first, second] of pairs) {
    const artifact = make()
    await artifact.newFile(first!, 'x')
    await artifact.newFile('a-', 'x')
    await artifact.newFile(second!, 'x')
    await t.rejects(artifact.save(), { code: 'ENTRY_CONFLICT' }, `${first} and ${second}`)
  }
  const fine = make()
  for (const path of ['a/b', 'a.b', 'ab', 'a-/b', 'b/a']) await fine.newFile(path, 'x')
  t.equal((await fine.save()).fileCount, 5)
})

t.test('an artifact without files can be logged', async t => {
  const logged = await make().save()
  t.equal(logged.fileCount, 0)
  t.equal(logged.size, 0)
  t.same(await listEntries(logged), [])
  t.same((await logged.verify(await logged.download({ root: t.testdir() }))).problems, [])
})

t.test('once it is logged, an artifact is closed at once', async t => {
  const artifact = make()
  artifact.description = 'before'
  artifact.metadata = { a: 1 }
  const saved = artifact.save()
  const changes = [
    () => artifact.addFile(file('one/a.txt')),
    () => artifact.addDir(file('one')),
    () => artifact.newFile('late.txt', 'late'),
    () => artifact.newFile('late.txt', () => t.fail('it must not be called')),
    () => {
      artifact.metadata = { a: 2 }
    },
    () => {
      artifact.description = 'after'
    },
  ]
  for (const change of changes) t.throws(change, { code: 'ARTIFACT_FINALIZED' }, String(change))
  t.equal(artifact.isDraft(), false)
  await t.rejects(artifact.save(), { code: 'ARTIFACT_FINALIZED' })
  const logged = await saved
  t.equal(logged.fileCount, 0)
  t.equal(logged.description, 'before')
  t.same(logged.metadata, { a: 1 })
})

t.test('metadata is copied when it is given, and when the artifact is logged', async t => {
  const metadata = { nested: { split: 'a' } }
  const artifact = new Artifact({ name: `artifact-${made++}`, type: 'dataset', metadata })
  metadata.nested.split = 'b'
  t.same(artifact.metadata, { nested: { split: 'a' } })
  artifact.metadata.more = true
  const saved = artifact.save()
  artifact.metadata.more = false
  const logged = await saved
  t.same(logged.metadata, { nested: { split: 'a' }, more: true })
  logged.metadata.more = 'changed'
  t.equal(logged.metadata.more, true)
})

t.test('bytes given to newFile may be changed after the call', async t => {
  const bytes = new Uint8Array([1, 2, 3])
  const artifact = make()
  const added = artifact.newFile('bytes', bytes)
  bytes.fill(9)
  await added
  const root = await (await artifact.save()).download({ root: t.testdir() })
  t.same([...readFileSync(join(root, 'bytes'))], [1, 2, 3])
})

t.test('a large file tells how far it is read', async t => {
  const size = 9_000_000
  const [alone, other] = [Buffer.alloc(size, 'a'), Buffer.alloc(size, 'o')]
  const root = t.testdir({ alone, folder: { other, small: 'small' } })
  for (const [add, files, bytes] of [
    [(...how: How) => how[0].addFile(join(root, 'alone'), how[1]), 1, size],
    [(...how: How) => how[0].addDir(join(root, 'folder'), how[1]), 2, size + 5],
  ] as const) {
    const artifact = make()
    const seen: Progress[] = []
    await add(artifact, { onProgress: step => seen.push(step) })
    const told = seen.map(step => step.bytes)
    t.ok(told.length > 3, `${told.length} steps`)
    t.same(
      told,
      told.toSorted((a, b) => a - b),
    )
    t.match(seen.at(-1), { step: 'add', files, bytes, totalFiles: files, totalBytes: bytes })
    t.match(artifact.dedup, { files: 0, bytes: 0, newBytes: bytes })
  }
})

t.test('progress grows to the whole', async t => {
  const artifact = make()
  const seen: unknown[] = []
  await artifact.addFile(file('one/a.txt'), { onProgress: progress => seen.push(progress) })
  t.same(seen, [{ step: 'add', files: 1, bytes: 5, totalFiles: 1, totalBytes: 5 }])
  const steps: { files: number; bytes: number }[] = []
  await artifact.addDir(file('two'), { name: 'two', onProgress: step => steps.push(step) })
  const counts = steps.map(({ files }) => files)
  t.same(counts, [...counts].sort())
  t.equal(counts.at(-1), 3)
  t.equal(steps.at(-1)?.bytes, 'second'.length + 'same'.length + 'new'.length)
  const logged = await artifact.save()
  const written: { step: string; files: number; totalFiles?: number }[] = []
  const onProgress = (step: { step: string; files: number }) => written.push(step)
  const root = await logged.download({ root: t.testdir(), onProgress })
  t.match(written.at(-1), { step: 'checkout', files: 4, totalFiles: 4 })
  await logged.verify(root, { onProgress })
  t.match(written.at(-1), { step: 'verify', files: 4, totalFiles: 4 })
})
