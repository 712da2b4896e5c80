import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { codeOf } from '../../fixtures/references/list-references.js'
import { md5Hex, serveFiles } from '../../fixtures/references/serve-files.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { type AddReferenceOptions, Artifact, type Entry } from '../../src/index.js'

const make = (name = 'refs') => new Artifact({ name, type: 'dataset' })

async function entriesOf(source: { entries(): AsyncIterable<Entry> }): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const entry of source.entries()) entries.push(entry)
  return entries
}

async function failure(uri: string, options?: AddReferenceOptions): Promise<string> {
  return codeOf(make().addReference(uri, options))
}

t.test('http: one entry, named by the path or as told, with its ETag', async t => {
  useHome(t)
  const { url } = await serveFiles(t, { 'd/model.h5': 'bytes' })
  const artifact = make()
  await artifact.addReference(`${url}/d/model.h5`)
  await artifact.addReference(new URL(`${url}/d/model.h5`), { name: 'models/one.h5' })
  const etag = md5Hex('bytes')
  const recorded = { digest: etag, size: 5, ref: `${url}/d/model.h5`, extra: { etag: `"${etag}"` } }
  const expected = [
    { path: 'model.h5', ...recorded },
    { path: 'models/one.h5', ...recorded },
  ]
  t.same(await entriesOf(artifact), expected)
  const logged = await artifact.save({ project: 'p' })
  t.same(await entriesOf(logged), expected, 'as logged')
  t.match(logged, { fileCount: 2, size: 10 })
})

t.test('names and paths that cannot be', async t => {
  useHome(t)
  const { url } = await serveFiles(t, { '': 'root', 'a/..%2fx': 'x', '%2e%2e': 'x' })
  t.equal(await failure(`${url}/`), 'INVALID_PATH', 'there is no name in it')
  t.equal(await failure('magnet:?xt=urn'), 'INVALID_PATH', 'nor in other schemes')
  t.equal(await failure(`${url}/`, { name: '../x' }), 'INVALID_PATH')
  t.equal(await failure(`${url}/`, { name: '/x' }), 'INVALID_PATH')
  t.equal(await failure('nothing'), 'INVALID_URI')
  t.equal(await failure('https://user:pw@host/x'), 'URI_HAS_CREDENTIALS')
  for (const maxObjects of [0, -1, Number.NaN, '7' as never]) {
    await t.rejects(make().addReference(`${url}/`, { name: 'x', maxObjects }), TypeError)
  }
  await t.rejects(make().addReference(7 as never), TypeError)
})

t.test('two references, or a file and a reference, at one path', async t => {
  useHome(t)
  const { url } = await serveFiles(t, { a: 'one', b: 'two' })
  const artifact = make()
  await artifact.addReference(`${url}/a`, { name: 'x' })
  await artifact.addReference(`${url}/a`, { name: 'x' })
  await artifact.addReference(`${url}/b`, { name: 'x', overwrite: true })
  t.match(await entriesOf(artifact), [{ path: 'x', ref: `${url}/b` }])
  await t.rejects(artifact.addReference(`${url}/a`, { name: 'x' }), {
    code: 'ENTRY_CONFLICT',
    message: `"x" comes from two sources: ${url}/b and ${url}/a`,
  })
  const other = make()
  await other.newFile('x', 'one')
  t.equal(await codeOf(other.addReference(`${url}/a`, { name: 'x' })), 'ENTRY_CONFLICT')
})

t.test('an add that fails, or comes too late', async t => {
  useHome(t)
  const { url } = await serveFiles(t, { a: 'one' })
  const failing = make()
  const add = failing.addReference(`${url}/nothing`)
  t.equal(await codeOf(failing.save({ project: 'p' })), 'REFERENCE_NOT_FOUND', 'it is not logged')
  t.equal(await codeOf(add), 'REFERENCE_NOT_FOUND')
  const artifact = make()
  void artifact.addReference(`${url}/a`)
  const logged = await artifact.save({ project: 'p' })
  t.equal(logged.fileCount, 1, 'an add that was not awaited is waited for')
  t.throws(() => artifact.addReference(`${url}/a`), { code: 'ARTIFACT_FINALIZED' })
  const signal = AbortSignal.abort()
  t.equal(await failure(`${url}/a`, { signal }), 'INTERRUPTED')
})

t.test('adding again what did not change makes no version; another place does', async t => {
  useHome(t)
  const { url, files } = await serveFiles(t, { 'a/x': 'one', 'b/x': 'one' })
  const log = async (path: string) => {
    const artifact = make()
    await artifact.addReference(`${url}/${path}`)
    return artifact.save({ project: 'p' })
  }
  t.match(await log('a/x'), { version: 'v0', unchanged: false })
  t.match(await log('a/x'), { version: 'v0', unchanged: true })
  const moved = await log('b/x')
  t.match(moved, { version: 'v1', unchanged: false }, 'the same ETag in another place')
  files['b/x'] = 'two'
  t.match(await log('b/x'), { version: 'v2', unchanged: false })
})

t.test('file: content digests, folders whole, and size and time without checksum', async t => {
  const { folder } = useHome(t, { data: { a: 'one', sub: { 'b c#?%.txt': 'two' } }, data2: 'x' })
  const uri = pathToFileURL(join(folder, 'data')).href
  const artifact = make()
  await artifact.addReference(uri)
  await artifact.addReference(`${uri}/a`, { name: 'single' })
  const files = make('files')
  await files.addFile(join(folder, 'data/a'))
  const [{ digest }] = (await entriesOf(files)) as [Entry]
  const href = pathToFileURL(join(folder, 'data/sub/b c#?%.txt')).href
  t.match(await entriesOf(artifact), [
    { path: 'a', digest, size: 3, ref: `${uri}/a` },
    { path: 'single', digest, size: 3, ref: `${uri}/a` },
    { path: 'sub/b c#?%.txt', size: 3, ref: href },
  ])

  utimesSync(join(folder, 'data/a'), 1, 1)
  const unchecked = make()
  await unchecked.addReference(uri, { checksum: false, name: 'u' })
  const [first, ...others] = (await entriesOf(unchecked)) as [Entry]
  t.match(first, { path: 'u/a', digest: 'stat:3-1000000000', size: 3, ref: `${uri}/a` })
  t.equal(others.length, 1)

  t.equal(await failure(pathToFileURL(join(folder, 'none')).href), 'REFERENCE_NOT_FOUND')
  t.equal(await failure('file://otherhost/x'), 'INVALID_URI')
  t.equal(await failure(uri, { maxObjects: 1 }), 'TOO_MANY_OBJECTS')
})

t.test('more objects than maxObjects is an error that says how many, never a cut', async t => {
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`f${index}`, 'x']))
  const { folder } = useHome(t, { many })
  const uri = pathToFileURL(join(folder, 'many')).href
  await t.rejects(make().addReference(uri, { maxObjects: 11 }), {
    code: 'TOO_MANY_OBJECTS',
    message: /at least 12 objects.*maxObjects/s,
    details: { maxObjects: 11, atLeast: 12 },
  })
  const artifact = make()
  await artifact.addReference(uri, { maxObjects: 12 })
  t.equal((await entriesOf(artifact)).length, 12)
  const progress: number[] = []
  await make().addReference(uri, {
    maxObjects: Number.POSITIVE_INFINITY,
    onProgress: ({ files }) => progress.push(files),
  })
  t.equal(progress.at(-1), 12)
})

t.test('the limit is 10,000 objects unless it is raised', async t => {
  const { folder } = useHome(t)
  const many = join(folder, 'many')
  mkdirSync(many)
  for (let index = 0; index < 10_000; index += 1) writeFileSync(join(many, `f${index}`), '')
  const uri = pathToFileURL(many).href
  const artifact = make()
  await artifact.addReference(uri, { checksum: false })
  t.equal((await artifact.save({ project: 'p' })).fileCount, 10_000)
  writeFileSync(join(many, 'one-more'), '')
  t.equal(await failure(uri, { checksum: false }), 'TOO_MANY_OBJECTS')
  const raised = make()
  await raised.addReference(uri, { checksum: false, maxObjects: 10_001 })
  t.equal((await raised.save({ project: 'p' })).fileCount, 10_001)
})

t.test('other schemes: the URI is the digest, and a name is needed', async t => {
  useHome(t)
  const artifact = make()
  await artifact.addReference('hdfs://host/path/x', { name: 'x' })
  t.same(await entriesOf(artifact), [
    {
      path: 'x',
      digest: 'hdfs://host/path/x',
      size: 0,
      ref: 'hdfs://host/path/x',
      extra: { unverifiable: true, sizeUnknown: true },
    },
  ])
})

t.test('an entry of another version: bytes are not copied, references are', async t => {
  const { folder, home } = useHome(t, { big: 'x'.repeat(300_000), 'stays.txt': 'in place' })
  const { url } = await serveFiles(t, { a: 'one' })
  const first = make('first')
  await first.addFile(join(folder, 'big'), { name: 'd/big' })
  await first.newFile('small', 'small')
  await first.addFile(join(folder, 'stays.txt'), { policy: 'immutable' })
  await first.addReference(`${url}/a`)
  const entries = await entriesOf(await first.save({ project: 'p' }))
  writeFileSync(join(folder, 'big'), 'gone')

  const second = make('second')
  for (const entry of entries) await second.addReference(entry)
  await second.addReference(entries[1]!, { name: 'copy/of-big' })
  t.match(second.dedup, { files: 4, newBytes: 0 })
  const logged = await second.save({ project: 'p' })
  const expected = [...entries.map(({ path }) => path), 'copy/of-big'].sort()
  t.same(await listEntries(second), expected)
  const root = await logged.download({ root: join(folder, 'out') })
  t.same((await logged.verify(root)).problems, [])
  t.same((await logged.verify()).problems, [])

  const third = make('third')
  for (const entry of await entriesOf(logged)) await third.addReference(entry)
  t.equal((await third.save({ project: 'p' })).digest, logged.digest, 'a chain leads to the same')
  t.equal((await sharedStore(home).catalog.getExternal(logged.id)).length, 1, 'the file in place')

  const unknown = { path: 'x', digest: `xxh128:${'0'.repeat(32)}`, size: 1 }
  t.equal(await codeOf(make().addReference(unknown)), 'BLOB_MISSING')
  const secret = { ...unknown, ref: 'https://u:p@h/x' }
  t.equal(await codeOf(make().addReference(secret)), 'URI_HAS_CREDENTIALS')
  t.equal(
    await codeOf(make().addReference({ ...unknown, path: '../x', ref: 'x:y' })),
    'INVALID_PATH',
  )
  appendFileSync(join(folder, 'stays.txt'), '!')
})
