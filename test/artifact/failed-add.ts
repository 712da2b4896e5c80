import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact, init, isArtifactError } from '../../src/index.js'

const { folder } = useHome(t, { files: { 'a.txt': 'a', 'b.txt': 'b' } })

const make = (name: string) => new Artifact({ name, type: 'dataset' })

t.test('a failed add rejects, and so does everything that would log the artifact', async t => {
  const missing = join(folder, 'files/missing.txt')
  const wanted = { code: 'FILE_NOT_FOUND', message: /missing\.txt/, details: { file: missing } }
  const run = await init({ project: 'poisoned' })
  const artifact = make('cats')
  await artifact.newFile('fine', 'fine')
  await t.rejects(artifact.addFile(missing), wanted)
  await artifact.newFile('also-fine', 'fine')
  const logged = run.logArtifact(artifact)
  await t.rejects(logged.committed, wanted)
  await t.rejects(run.finish(), wanted)
  t.throws(() => logged.version, { code: 'ARTIFACT_NOT_LOGGED' })
  await t.rejects(logged.download(), wanted)
  await t.rejects(listEntries(logged), wanted)

  const next = await init({ project: 'poisoned', remote: 'http://127.0.0.1:9' })
  const again = make('cats')
  void again.addFile(missing)
  const failed = next.logArtifact(again)
  await t.rejects(failed.wait({ timeout: 60_000 }), wanted)
  await t.rejects(next.finish({ wait: true }), wanted)

  await t.rejects(run.useArtifact('cats'), { code: 'ARTIFACT_NOT_FOUND' }, 'nothing appeared')
  const good = make('cats')
  await good.newFile('fine', 'fine')
  t.equal((await good.save({ project: 'poisoned' })).version, 'v0', 'no number was used up')
})

t.test('the first of several failures is told', async t => {
  const artifact = make('several')
  await t.rejects(artifact.addFile(join(folder, 'first')), { code: 'FILE_NOT_FOUND' })
  await t.rejects(artifact.newFile('../second', 'x'), { code: 'INVALID_PATH' })
  await t.rejects(artifact.save(), { code: 'FILE_NOT_FOUND', message: /first/ })
})

t.test('several artifacts that fail in one run are told together', async t => {
  const run = await init({ project: 'poisoned' })
  for (const name of ['one', 'two', 'three']) {
    const artifact = make(name)
    if (name !== 'two') void artifact.addFile(join(folder, name))
    run.logArtifact(artifact)
  }
  const error = await run.finish().catch(error => error)
  t.type(error, AggregateError)
  t.same(
    (error as AggregateError).errors.map(({ details }) => details.file),
    [join(folder, 'one'), join(folder, 'three')],
  )
})

t.test('a folder given as a file, and a file as a folder', async t => {
  await t.rejects(make('a').addFile(join(folder, 'files')), {
    code: 'FILE_UNSUPPORTED',
    message: /addDir/,
  })
  await t.rejects(make('a').addDir(join(folder, 'files/a.txt')), {
    code: 'FILE_UNSUPPORTED',
    message: /addFile/,
  })
  await t.rejects(make('a').addDir(join(folder, 'missing')), { code: 'FILE_NOT_FOUND' })
  await t.rejects(make('a').addFile(join(folder, 'files/a.txt/b')), { code: 'FILE_NOT_FOUND' })
})

async function refuses(t: Test, root: string, name: string, code: string): Promise<void> {
  const file = join(root, name)
  const wanted = { code, details: { file } }
  for (const policy of ['mutable', 'immutable'] as const) {
    await t.rejects(make('a').addFile(file, { policy }), wanted, `${policy} addFile ${name}`)
    await t.rejects(make('a').addDir(root, { policy }), wanted, `${policy} addDir with ${name}`)
  }
  rmSync(file)
}

t.test('what is neither a file nor a folder is named, without a hang', async t => {
  const root = t.testdir({ 'a.txt': 'a', 'z.txt': 'z' })
  const fifo = join(root, 'fifo')
  t.equal(spawnSync('mkfifo', [fifo]).status, 0)
  symlinkSync(fifo, join(root, 'link'))
  await t.rejects(make('a').addFile(join(root, 'link')), { code: 'FILE_UNSUPPORTED' })
  rmSync(join(root, 'link'))
  await refuses(t, root, 'fifo', 'FILE_UNSUPPORTED')

  // The path of a socket must be short.
  const short = mkdtempSync(join(tmpdir(), 'socket-'))
  t.teardown(() => rmSync(short, { recursive: true }))
  const server = createServer()
  await new Promise<void>(resolve => server.listen(join(short, 'socket'), resolve))
  t.teardown(() => server.close())
  await refuses(t, short, 'socket', 'FILE_UNSUPPORTED')

  // It would be read before anything else of the folder.
  t.equal(spawnSync('mkfifo', [join(root, '.artifactignore')]).status, 0)
  await refuses(t, root, '.artifactignore', 'FILE_UNSUPPORTED')

  symlinkSync('/dev/zero', join(root, 'zero'))
  await refuses(t, root, 'zero', 'FILE_UNSUPPORTED')

  symlinkSync('nowhere', join(root, 'dangling'))
  await refuses(t, root, 'dangling', 'FILE_NOT_FOUND')

  symlinkSync('loop', join(root, 'loop'))
  await refuses(t, root, 'loop', 'FILE_UNREADABLE')
})

t.test(
  'a file that cannot be read is named',
  {
    skip: process.getuid?.() === 0 && 'root reads every file',
  },
  async t => {
    const root = t.testdir({ secret: 'x' })
    chmodSync(join(root, 'secret'), 0)
    await refuses(t, root, 'secret', 'FILE_UNREADABLE')
  },
)

t.test('names that an artifact cannot hold are refused', async t => {
  const root = t.testdir({})
  writeFileSync(join(root, 'line\nfeed'), 'x')
  await t.rejects(make('a').addDir(root), { code: 'INVALID_PATH', message: /line\\nfeed/ })
  await t.rejects(make('a').addFile(join(root, 'line\nfeed')), { code: 'INVALID_PATH' })
  const named = make('renamed')
  await named.addFile(join(root, 'line\nfeed'), { name: 'fine' })
  t.same(await listEntries(named), ['fine'])
})

t.test('an aborted add is a failed add', async t => {
  const root = t.testdir(
    Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`${i}`, `content ${i}`])),
  )
  const before = make('a')
  const aborted = { code: 'INTERRUPTED' }
  await t.rejects(before.addDir(root, { signal: AbortSignal.abort() }), aborted)
  await t.rejects(before.save(), aborted)
  await t.rejects(make('a').addFile(join(root, '1'), { signal: AbortSignal.abort() }), aborted)

  const during = make('a')
  const controller = new AbortController()
  const onProgress = ({ files }: { files: number }) => {
    if (files >= 10) controller.abort()
  }
  await t.rejects(during.addDir(root, { signal: controller.signal, onProgress }), aborted)
  const error = await during.save().catch(error => error)
  t.ok(isArtifactError(error, 'INTERRUPTED'))
})

t.test('what onProgress throws rejects the add', async t => {
  const onProgress = () => {
    throw new Error('from the caller')
  }
  const wanted = { message: 'from the caller' }
  await t.rejects(make('a').addDir(join(folder, 'files'), { onProgress }), wanted)
  await t.rejects(make('a').addFile(join(folder, 'files/a.txt'), { onProgress }), wanted)
  const root = t.testdir({ large: Buffer.alloc(9_000_000, 'l') })
  const onFirst = () => {
    if (thrown) return
    thrown = true
    throw new Error('from the caller')
  }
  let thrown = false
  await t.rejects(make('a').addFile(join(root, 'large'), { onProgress: onFirst }), wanted)
  thrown = false
  writeFileSync(join(root, 'large'), Buffer.alloc(9_000_000, 'm'))
  await t.rejects(make('a').addDir(root, { onProgress: onFirst }), wanted)
  const next = make('a')
  await next.addDir(root)
  t.match(await next.save(), { fileCount: 1 }, 'the store goes on')
})
