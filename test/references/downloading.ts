import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { codeOf } from '../../fixtures/references/list-references.js'
import { md5Hex, serveFiles } from '../../fixtures/references/serve-files.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import {
  type AddReferenceOptions,
  Artifact,
  type LoggedArtifact,
  type MissingReference,
} from '../../src/index.js'

/** Logs a version of references: URIs by their paths. */
async function log(
  uris: Record<string, string>,
  options: AddReferenceOptions = {},
): Promise<LoggedArtifact> {
  const artifact = new Artifact({ name: 'refs', type: 'dataset' })
  for (const [name, uri] of Object.entries(uris)) {
    await artifact.addReference(uri, { ...options, name })
  }
  return artifact.save({ project: 'p' })
}

async function setUp(t: Test, files: Record<string, string>) {
  const { folder, home } = useHome(t)
  const served = await serveFiles(t, files)
  const read = (...path: string[]) => readFileSync(join(folder, ...path), 'utf8')
  return { folder, home, served, read, url: served.url }
}

t.test('references become files, beside other files, each fetched once a machine', async t => {
  const { folder, served, read, url } = await setUp(t, { a: 'one', b: 'x'.repeat(400_000) })
  const artifact = new Artifact({ name: 'refs', type: 'dataset' })
  await artifact.newFile('plain.txt', 'plain')
  for (const name of ['a', 'again/a']) await artifact.addReference(`${url}/a`, { name })
  await artifact.addReference(`${url}/b`)
  const logged = await artifact.save({ project: 'p' })

  served.requests.length = 0
  const root = await logged.download({ root: join(folder, 'out') })
  t.same(served.requests.sort(), ['GET /a', 'GET /b'], 'one request for each object')
  t.equal(read('out/a'), 'one')
  t.equal(read('out/again/a'), 'one')
  t.equal(read('out/b').length, 400_000)
  t.equal(read('out/plain.txt'), 'plain')
  t.same(await logged.verify(root), { files: 4, bytes: 400_011, problems: [] })

  served.status = 500
  served.requests.length = 0
  await logged.download({ root: join(folder, 'out') })
  await logged.download({ root: join(folder, 'other') })
  t.equal(read('other/a'), 'one')
  t.same(served.requests, [], 'and none for what was fetched before')
  writeFileSync(join(folder, 'out/a'), 'edited')
  t.match((await logged.verify(root)).problems, [{ path: 'a', problem: 'differs' }])
})

t.test('a changed object is an error that names it, and nothing is written', async t => {
  const { folder, served, url } = await setUp(t, { a: 'one', b: 'two', c: 'three' })
  const logged = await log({ 'd/a': `${url}/a`, b: `${url}/b`, c: `${url}/c` })
  const single = await log({ 'd/a': `${url}/a` })
  served.files.a = 'uno'
  const root = join(folder, 'out')
  await t.rejects(single.download({ root }), {
    code: 'REFERENCE_CHANGED',
    message: `"d/a": ${url}/a has changed`,
    details: { path: 'd/a', uri: `${url}/a` },
  })
  t.notOk(existsSync(root))
  delete served.files.b
  const missing: MissingReference[] = []
  await logged.download({
    root,
    allowMissingReferences: true,
    onMissingReference: one => missing.push(one),
  })
  t.match(
    missing.sort((x, y) => (x.path < y.path ? -1 : 1)),
    [
      { path: 'b', ref: `${url}/b`, error: { code: 'REFERENCE_NOT_FOUND' } },
      { path: 'd/a', ref: `${url}/a`, error: { code: 'REFERENCE_CHANGED' } },
    ],
  )
  t.same(readdirSync(root), ['c'])
  const { problems } = await logged.verify(root)
  t.same(
    problems.map(({ path, problem }) => [path, problem]),
    [
      ['b', 'missing'],
      ['d/a', 'missing'],
    ],
  )
  served.files.a = 'one'
  served.files.b = 'two'
  await logged.download({ root })
  t.same((await logged.verify(root)).problems, [])
})

t.test('codes of what cannot be had', async t => {
  const { folder, served, url } = await setUp(t, { a: 'one' })
  const logged = await log({ a: `${url}/a` })
  const rows = { 401: 'REFERENCE_DENIED', 403: 'REFERENCE_DENIED', 404: 'REFERENCE_NOT_FOUND' }
  for (const [status, code] of Object.entries(rows)) {
    served.status = Number(status)
    t.equal(await codeOf(logged.download({ root: join(folder, 'out') })), code, status)
  }
  const other = await log({ x: 'hdfs://host/x', y: 'hdfs://host/y' })
  await t.rejects(other.download({ root: join(folder, 'out') }), {
    code: 'REFERENCE_NOT_DOWNLOADABLE',
    message: /"x".*hdfs:\/\/host\/x/,
  })
  const names: string[] = []
  const onMissingReference = ({ path }: MissingReference) => names.push(path)
  const root = join(folder, 'empty')
  await other.download({ root, allowMissingReferences: true, onMissingReference })
  t.same(names, ['x', 'y'])
  t.same((await other.verify(root)).problems, [], 'nothing says what should be there')
  t.same((await other.verify()).problems, [])
})

t.test('without checksum, and without an ETag, it is downloaded as it is now', async t => {
  const { folder, served, read, url } = await setUp(t, { a: 'one' })
  const unchecked = await log({ a: `${url}/a` }, { checksum: false })
  t.same(served.requests, [], 'nothing was asked')
  await unchecked.download({ root: join(folder, 'out') })
  t.equal(read('out/a'), 'one')
  served.files.a = 'two!'
  await unchecked.download({ root: join(folder, 'out') })
  t.equal(read('out/a'), 'two!', 'it is asked for again')
  t.same((await unchecked.verify(join(folder, 'out'))).problems, [])

  served.anonymous = true
  const sized = await log({ b: `${url}/a` })
  await sized.download({ root: join(folder, 'b') })
  served.files.a = 'another size'
  t.equal(await codeOf(sized.download({ root: join(folder, 'b') })), 'REFERENCE_CHANGED')
})

t.test('verify asks whether references still lead to the recorded bytes', async t => {
  const { folder, served, url } = await setUp(t, { a: 'one', b: 'two', c: 'three' })
  const logged = await log({ a: `${url}/a`, b: `${url}/b`, c: `${url}/c` })
  t.same(await logged.verify(), { files: 3, bytes: 0, problems: [] })
  served.files.a = 'uno'
  delete served.files.b
  const { problems } = await logged.verify()
  t.match(problems, [
    { path: 'a', problem: 'differs', message: `${url}/a has changed` },
    { path: 'b', problem: 'missing', message: `there is no ${url}/b` },
  ])
  t.equal(problems.length, 2)
  served.status = 403
  t.match((await logged.verify()).problems, [
    { path: 'a', problem: 'unchecked' },
    { path: 'b', problem: 'unchecked' },
    { path: 'c', problem: 'unchecked' },
  ])

  // A folder that came from elsewhere: only sizes are known.
  served.status = 0
  served.files = { a: 'one', b: 'two', c: 'three' }
  const root = join(folder, 'copied')
  mkdirSync(root)
  writeFileSync(join(root, 'a'), 'ONE')
  writeFileSync(join(root, 'b'), 'too long')
  writeFileSync(join(root, 'extra'), '')
  t.match((await logged.verify(root)).problems, [
    { path: 'b', problem: 'differs', message: 'it has 8 bytes, not 3' },
    { path: 'c', problem: 'missing' },
    { path: 'extra', problem: 'extra' },
  ])
})

t.test('file: content is verified, and a changed file is told', async t => {
  const { folder } = useHome(t, { data: { a: 'one', b: 'two' }, single: 'three' })
  const uri = pathToFileURL(join(folder, 'data')).href
  const artifact = new Artifact({ name: 'refs', type: 'dataset' })
  await artifact.addReference(uri)
  await artifact.addReference(pathToFileURL(join(folder, 'single')).href, {
    checksum: false,
    name: 'single',
  })
  const logged = await artifact.save({ project: 'p' })
  const root = await logged.download({ root: join(folder, 'out') })
  t.equal(readFileSync(join(root, 'a'), 'utf8'), 'one')
  t.equal(readFileSync(join(root, 'single'), 'utf8'), 'three')
  t.same((await logged.verify()).problems, [])
  writeFileSync(join(folder, 'data/a'), 'uno')
  appendFileSync(join(folder, 'single'), '!')
  t.match((await logged.verify()).problems, [
    { path: 'a', problem: 'differs' },
    { path: 'single', problem: 'differs' },
  ])
  await logged.download({ root: join(folder, 'again') })
  t.equal(readFileSync(join(folder, 'again/a'), 'utf8'), 'one', 'the recorded bytes are kept here')

  const fresh = await log({ a: pathToFileURL(join(folder, 'data/b')).href })
  writeFileSync(join(folder, 'data/b'), 'TWO')
  const second = join(folder, 'home2')
  const artifacts = new Artifact({ name: 'refs', type: 'dataset', home: second })
  t.teardown(() => sharedStore(second).close())
  for await (const entry of fresh.entries()) await artifacts.addReference(entry)
  const elsewhere = await artifacts.save({ project: 'p' })
  t.equal(await codeOf(elsewhere.download({ root: join(folder, 'x') })), 'REFERENCE_CHANGED')
})

t.test('a download that is aborted', async t => {
  const { folder, url } = await setUp(t, { a: 'one', b: 'x'.repeat(300_000) })
  const logged = await log({ a: `${url}/a`, b: `${url}/b` })
  const controller = new AbortController()
  const root = join(folder, 'out')
  const onProgress = () => controller.abort()
  t.equal(
    await codeOf(logged.download({ root, signal: controller.signal, onProgress })),
    'INTERRUPTED',
  )
  t.notOk(existsSync(root))
  await logged.download({ root })
  t.same((await logged.verify(root)).problems, [])
})

t.test('16 objects are downloaded at a time', async t => {
  const { folder } = useHome(t)
  let waiting: ServerResponse[] = []
  let answered = 0
  let most = 0
  const answer = () => {
    most = Math.max(most, waiting.length)
    for (const response of waiting) response.end('x')
    answered += waiting.length
    waiting = []
  }
  const server = createServer((_, response) => {
    if (waiting.push(response) < Math.min(16, 40 - answered)) return
    // Time for one more than there should be.
    setTimeout(answer, 100)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const names = Array.from({ length: 40 }, (_, index) => String(index))
  const uris = Object.fromEntries(names.map(name => [name, `${url}/${name}`]))
  const logged = await log(uris, { checksum: false })
  await logged.download({ root: join(folder, 'out') })
  t.equal(most, 16)
})

t.test('bytes that left the store are fetched again', async t => {
  const { folder, home, served, url } = await setUp(t, { a: 'one' })
  const logged = await log({ a: `${url}/a` })
  await logged.download({ root: join(folder, 'out') })
  const { catalog } = sharedStore(home)
  const [known] = await catalog.findReferences([`${url}/a\0${md5Hex('one')}`])
  t.match(known, { size: 3, digest: /^xxh128:/ })
  const digest = `xxh128:${'0'.repeat(32)}` as const
  const name = `${url}/a\0${md5Hex('one')}`
  await catalog.rememberReferences([{ name, digest, size: 3 }])
  served.requests.length = 0
  await logged.download({ root: join(folder, 'again') })
  t.same(served.requests, ['GET /a'])
  t.equal(readFileSync(join(folder, 'again/a'), 'utf8'), 'one')
})
