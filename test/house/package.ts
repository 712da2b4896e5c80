import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { serveProcess } from '../../fixtures/serve-process.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
// The loaders of the test runner are not for the programs that are started here.
const { NODE_OPTIONS: _, ...environment } = process.env
const tool = (name: string) => join(root, 'node_modules/.bin', name)
const work = mkdtempSync(join(tmpdir(), 'artifactd-package-'))
t.teardown(() => rmSync(work, { recursive: true, force: true }))

const run = (command: string, args: string[], cwd: string) =>
  execFileSync(command, args, {
    cwd,
    env: environment,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })

// `prepack` would build into the dist/ that this test runs from.
run('npm', ['pack', '--ignore-scripts', '--pack-destination', work], root)
const tarball = join(work, readdirSync(work).find(name => name.endsWith('.tgz'))!)

t.test('the package holds what it needs and nothing else', async t => {
  const files = run('tar', ['-tzf', tarball], work).trim().split('\n')
  t.ok(files.includes('package/dist/src/index.js'))
  t.ok(files.includes('package/dist/src/index.d.ts'))
  t.ok(files.includes('package/dist/cli/artifactd.js'))
  t.ok(files.includes('package/dist/daemon/main.js'))
  t.ok(files.includes('package/LICENSE'))
  t.same(
    files.filter(file => /\/(?:test|fixtures|bench|scripts|examples)\//.test(file)),
    [],
  )
})

t.test('publint and attw find nothing', async t => {
  const publint = spawnSync(tool('publint'), ['run', tarball, '--strict'], {
    env: environment,
    encoding: 'utf8',
  })
  t.equal(publint.status, 0, publint.stdout + publint.stderr)
  const args = [tarball, '--profile', 'esm-only']
  const options = { env: environment, encoding: 'utf8' as const, cwd: root }
  const attw = spawnSync(tool('attw'), args, options)
  t.equal(attw.status, 0, attw.stdout + attw.stderr)
})

t.test('it installs into an empty folder, where commands, library and types work', async t => {
  const consumer = join(work, 'consumer')
  mkdirSync(consumer)
  const pack = { name: 'consumer', private: true, type: 'module' }
  writeFileSync(join(consumer, 'package.json'), JSON.stringify(pack))
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball]
  const installed = spawnSync('npm', install, {
    cwd: consumer,
    env: environment,
    encoding: 'utf8',
  })
  if (installed.status !== 0 && /ENOTFOUND|ECONNREFUSED|EAI_AGAIN/.test(installed.stderr)) {
    t.pass('installed', { skip: 'the npm registry is out of reach' })
    return
  }
  t.equal(installed.status, 0, installed.stderr)
  const env = { ...environment, ARTIFACT_HOME: join(work, 'home'), ARTIFACT_DAEMON: 'never' }
  const bin = join(consumer, 'node_modules/.bin')
  writeFileSync(join(consumer, 'hello.txt'), 'hello'.repeat(2000))
  const put = ['put', 'hello.txt', '-n', 'demo/hello', '--json']
  const first = spawnSync(join(bin, 'artifact'), put, { cwd: consumer, env, encoding: 'utf8' })
  t.match(JSON.parse(first.stdout), { version: 'v0', fileCount: 1, unchanged: false })
  // With arguments, artifactd is artifact.
  const again = spawnSync(join(bin, 'artifactd'), put, { cwd: consumer, env, encoding: 'utf8' })
  t.match(JSON.parse(again.stdout), { version: 'v0', unchanged: true })

  const server = await serveProcess(t, join(work, 'server'))
  const sync = spawnSync(join(bin, 'artifact'), ['sync', '--json'], {
    cwd: consumer,
    env: { ...env, ARTIFACT_REMOTE: server.url },
    encoding: 'utf8',
  })
  const report = JSON.parse(sync.stdout)
  t.match(report, { synced: [{ number: 0 }], pending: 0 }, sync.stderr)
  t.ok(report.wireBytes < 1000, 'compressed, in a thread of its own')

  const source = `
    import { Artifact, init, isArtifactError, type LoggedArtifact } from 'artifactd'
    const artifact = new Artifact({ name: 'typed', type: 'dataset', metadata: { a: 1 } })
    await artifact.newFile('a.txt', 'text')
    const run = await init({ project: 'demo' })
    const logged: LoggedArtifact = run.logArtifact(artifact, { aliases: ['best'] })
    await run.finish()
    const used = await run.useArtifact('typed:best')
    const sizes: number[] = []
    for await (const { size } of used.entries()) sizes.push(size)
    const known: boolean = isArtifactError(new Error('no'), 'NO_REMOTE')
    console.log(JSON.stringify({ version: logged.version, sizes, known }))
  `
  writeFileSync(join(consumer, 'consumer.ts'), source)
  const strict = [
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--skipLibCheck',
    'false',
  ]
  const types = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node']
  const compiled = spawnSync(tool('tsc'), [...strict, ...types, 'consumer.ts'], {
    cwd: consumer,
    env: environment,
    encoding: 'utf8',
  })
  t.equal(compiled.status, 0, compiled.stdout + compiled.stderr)
  const ran = spawnSync(process.execPath, ['consumer.js'], { cwd: consumer, env, encoding: 'utf8' })
  t.same(JSON.parse(ran.stdout), { version: 'v0', sizes: [4], known: false }, ran.stderr)
})
