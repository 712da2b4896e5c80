import { once } from 'node:events'
import { createReadStream, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact } from '../../src/index.js'
import { homePaths } from '../../src/model/home.js'

const { folder, home } = useHome(t, { 'a.txt': 'from a file' })

let made = 0
const make = () => new Artifact({ name: `new-${made++}`, type: 'dataset' })

/** Temporary files left in the store, whoever wrote them. */
function listTemporary(): string[] {
  return readdirSync(homePaths(home).tmp, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !entry.name.startsWith('writer.json'))
    .filter(entry => !entry.name.endsWith('.pack'))
    .map(({ name }) => name)
}

t.test('text, bytes and functions make files', async t => {
  const artifact = make()
  const large = Buffer.alloc(3_000_000, 'large')
  await artifact.newFile('empty')
  await artifact.newFile('text', 'grüße 😀')
  await artifact.newFile('bytes', new Uint8Array([0, 255]))
  await artifact.newFile('part', new Uint8Array([1, 2, 3, 4]).subarray(1, 3))
  await artifact.newFile('large', large)
  await artifact.newFile('nothing', () => {})
  await artifact.newFile('lines', async writer => {
    for (let line = 0; line < 200_000; line += 1) {
      if (!writer.write(`${line}\n`)) await once(writer, 'drain')
    }
  })
  await artifact.newFile('ended', writer => void writer.end('by hand'))
  await artifact.newFile('piped', writer =>
    pipeline(createReadStream(join(folder, 'a.txt')), writer),
  )
  const root = await (await artifact.save()).download({ root: t.testdir() })
  const read = (name: string) => readFileSync(join(root, name))
  t.equal(read('empty').length, 0)
  t.equal(read('text').toString(), 'grüße 😀')
  t.same([...read('bytes')], [0, 255])
  t.same([...read('part')], [2, 3])
  t.ok(read('large').equals(large))
  t.equal(read('nothing').length, 0)
  const lines = read('lines').toString().trimEnd().split('\n')
  t.equal(lines.length, 200_000)
  t.equal(lines.at(-1), '199999')
  t.equal(read('ended').toString(), 'by hand')
  t.equal(read('piped').toString(), 'from a file')
  t.same(listTemporary(), [])
})

t.test('a function that throws drops its file, and the artifact is fine', async t => {
  const artifact = make()
  await artifact.newFile('kept', 'kept')
  const error = new Error('no more rows')
  const asynchronous = artifact.newFile('dropped', async writer => {
    writer.write('half')
    await sleep(20)
    throw error
  })
  await t.rejects(asynchronous, error)
  const synchronous = artifact.newFile('dropped', () => {
    throw error
  })
  await t.rejects(synchronous, error)
  await t.rejects(
    artifact.newFile('dropped', writer => void writer.destroy(error)),
    error,
  )
  await t.rejects(
    artifact.newFile('dropped', writer => void writer.destroy()),
    { code: 'ERR_STREAM_PREMATURE_CLOSE' },
  )
  const source = new Readable({
    read() {
      this.destroy(Object.assign(new Error('the source failed'), { code: 'EIO', syscall: 'read' }))
    },
  })
  await t.rejects(
    artifact.newFile('dropped', writer => pipeline(source, writer)),
    { message: 'the source failed' },
  )
  t.same(await listEntries(artifact), ['kept'])
  await artifact.newFile('dropped', 'now it is there')
  const logged = await artifact.save()
  t.equal(logged.version, 'v0')
  t.same(await listEntries(logged), ['dropped', 'kept'])
  t.same(listTemporary(), [])
})

t.test('a function that throws after the artifact was logged drops its file too', async t => {
  const artifact = make()
  void artifact.newFile('kept', 'kept')
  const dropped = artifact.newFile('dropped', async () => {
    throw new Error('no more rows')
  })
  const saved = artifact.save()
  await t.rejects(dropped, { message: 'no more rows' })
  t.same(await listEntries(await saved), ['kept'])
})

t.test('a function may add more files to the artifact', async t => {
  const artifact = make()
  await artifact.newFile('index', async writer => {
    for (const name of ['one', 'two']) {
      await artifact.newFile(name, name)
      writer.write(`${name}\n`)
    }
  })
  t.same(await listEntries(await artifact.save()), ['index', 'one', 'two'])
})

t.test('logging waits for a function that is still writing', async t => {
  const artifact = make()
  let finish = () => {}
  const finished = new Promise<void>(resolve => {
    finish = resolve
  })
  void artifact.newFile('slow', async writer => {
    await finished
    writer.write('done')
  })
  const saved = artifact.save()
  finish()
  t.equal((await saved).size, 4)
})

t.test('a new file tells its progress and can be given up', async t => {
  const done = { step: 'add', files: 1, bytes: 5, totalFiles: 1, totalBytes: 5 }
  for (const content of ['hello', (writer: Writable) => void writer.write('hello')]) {
    const seen: unknown[] = []
    const artifact = new Artifact({ name: 'told', type: 'dataset' })
    await artifact.newFile('a.txt', content, { onProgress: step => seen.push(step) })
    t.same(seen, [done])
    const given = new Artifact({ name: 'given-up', type: 'dataset' })
    const aborted = { code: 'INTERRUPTED' }
    await t.rejects(given.newFile('a.txt', content, { signal: AbortSignal.abort() }), aborted)
    await t.rejects(given.save(), aborted)
  }
  const slow = new Artifact({ name: 'slow', type: 'dataset' })
  const controller = new AbortController()
  const writing = slow.newFile('a.txt', () => new Promise(() => {}), { signal: controller.signal })
  controller.abort()
  await t.rejects(writing, { code: 'INTERRUPTED' })
  const late = new Artifact({ name: 'late', type: 'dataset' })
  await t.rejects(late.save({ signal: AbortSignal.abort() }), { code: 'INTERRUPTED' })
  t.ok(late.isDraft(), 'what was not begun is not logged')
})
