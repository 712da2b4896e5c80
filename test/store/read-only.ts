import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startCommitter } from '../../fixtures/catalog/start-committer.js'
import { hashTree } from '../../fixtures/hash-tree.js'
import { CLI, cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'

const isRoot = process.getuid?.() === 0
const NOBODY = '65534'

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}
/** Runs `artifact` where it cannot write to the store. */
type Run = (args: string[], env?: NodeJS.ProcessEnv) => Ended

async function makeStore(t: Test): Promise<{ folder: string; home: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'artifactd-read-'))
  const home = join(folder, 'home')
  t.teardown(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'files'))
  mkdirSync(join(folder, 'temporary'), { mode: 0o777 })
  chmodSync(folder, 0o755)
  chmodSync(join(folder, 'temporary'), 0o777)
  writeFileSync(join(folder, 'files', 'small.txt'), 'small')
  writeFileSync(join(folder, 'files', 'large.bin'), randomBytes(1_000_000))
  const cli = cliIn(folder, home)
  t.equal((await cli(['put', 'files', '-n', 'p/cats', '-a', 'best'])).code, 0)
  writeFileSync(join(folder, 'files', 'more.txt'), 'more')
  t.equal((await cli(['put', 'files', '-n', 'p/cats'])).code, 0)
  return { folder, home }
}

function checkReading(t: Test, run: Run, { folder, home }: { folder: string; home: string }) {
  const before = hashTree(home)
  t.match(run(['ls', '--json']), { status: 0, stderr: '', stdout: /"version":"v1"/ })
  t.match(run(['show', 'p/cats:best', '--json']), { status: 0, stdout: /"version":"v0"/ })
  const root = join(folder, 'temporary', 'out')
  t.match(run(['get', 'p/cats', '--root', root]), { status: 0, stderr: '' })
  t.same(hashTree(root), hashTree(join(folder, 'files')))
  t.match(run(['verify', 'p/cats:v0']), { status: 0, stderr: '' })
  t.match(run(['verify', 'p/cats', '--root', root]), { status: 0, stderr: '' })
  t.match(run(['verify', '--store']), { status: 0, stderr: '' })
  t.match(run(['status', '--json']), { status: 0, stdout: /"pending":2/ })
  for (const args of [
    ['put', join(folder, 'files', 'small.txt'), '-n', 'p/dogs', '--json'],
    ['put', join(folder, 'files'), '-n', 'p/dogs', '--json'],
    ['put', join(folder, 'files'), '-n', 'p/cats', '-a', 'moved', '--json'],
    ['repair', '--json'],
  ]) {
    t.match(
      run(args),
      { status: 1, stdout: '', stderr: /"code":"STORE_READ_ONLY"/ },
      args.join(' '),
    )
  }
  t.match(run(['init', '--remote', 'http://127.0.0.1:9', '--json']), {
    status: 1,
    stderr: /"code":"STORE_(READ_ONLY|FAILED)"/,
  })
  t.same(hashTree(home), before, 'nothing was written')
  const copies = readdirSync(join(folder, 'temporary'))
    .filter(name => name.startsWith('artifactd-'))
    .flatMap(name => readdirSync(join(folder, 'temporary', name, 'copies')))
  t.same(copies, [], 'no copy of the index is left')
}

function findLarge(home: string): string {
  const objects = join(home, 'objects')
  const names = readdirSync(objects, { recursive: true, encoding: 'utf8' })
  return join(objects, names.find(name => /[0-9a-f]{32}$/.test(name))!)
}

const environment = (folder: string, home: string) => ({
  PATH: process.env.PATH,
  TMPDIR: join(folder, 'temporary'),
  ARTIFACT_HOME: home,
  ARTIFACT_DAEMON: 'never',
})

t.test('a store on a read-only disk can be read', async t => {
  const { folder, home } = await makeStore(t)
  const run: Run = (args, env) =>
    spawnSync(
      'unshare',
      [
        '--mount',
        'sh',
        '-ec',
        'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"',
        home,
        process.execPath,
        ...args,
      ],
      { encoding: 'utf8', cwd: folder, env: { ...environment(folder, home), ...env } },
    )
  const probe = run(['-e', 'fs.writeFileSync(process.env.ARTIFACT_HOME + "/x", "")'])
  if (!probe.stderr.includes('EROFS')) return t.comment(`skipped, no mounts: ${probe.stderr}`)
  const artifact: Run = (args, env) => run([CLI, ...args], env)
  checkReading(t, artifact, { folder, home })

  t.test('also where the server knows more', async t => {
    const { url } = await serveProcess(t, join(folder, 'server'))
    const env = { ARTIFACT_REMOTE: url }
    const [one, two] = [home, join(folder, 'two')].map(home => cliIn(folder, home, env))
    await one!(['sync'])
    await two!(['edit', 'p/cats', '-d', 'new'])
    await two!(['rm', 'p/cats:v0', '--delete-aliases'])
    await two!(['sync'])
    const shown = artifact(['show', 'p/cats', '--json'], env)
    t.match(shown, { status: 0, stdout: /"description":"new"/ })
    const listed = artifact(['ls'], env)
    t.match(listed, { status: 0, stderr: /deleted on the remote: p\/cats v0;/ })
    t.notMatch(listed.stdout, /v0/)
    t.match(artifact(['show', 'p/cats:v0', '--json'], env), { stderr: /"code":"VERSION_DELETED"/ })
    t.match(artifact(['show', 'p/cats:v0']), { status: 0 }, 'nothing was noted')
  })

  t.test('also when its index is damaged, or was never made', async t => {
    rmSync(join(home, 'catalog', 'CURRENT'))
    t.match(artifact(['ls', '--json']), { status: 0, stdout: /"version":"v1"/ })
    rmSync(join(home, 'catalog'), { recursive: true })
    t.match(artifact(['verify', 'p/cats:best']), { status: 0 })
    t.notOk(existsSync(join(home, 'catalog')))
  })

  t.test('also when something in it is damaged, which is then named', async t => {
    const large = findLarge(home)
    const content = readFileSync(large)
    chmodSync(large, 0o600)
    writeFileSync(large, Buffer.from(content).fill(content[0]! ^ 1, 0, 1))
    const root = join(folder, 'temporary', 'damaged')
    const get = artifact(['get', 'p/cats', '--root', root, '--json'])
    t.match(get, { status: 1, stderr: /"code":"BLOB_DAMAGED".*large\.bin/ })
    t.match(artifact(['verify', '--store']), { status: 1, stdout: /damaged {2}blob/ })
    writeFileSync(large, content)
    t.match(artifact(['get', 'p/cats', '--root', root]), { status: 0 })
  })

  t.test('through its host, where it is read-only for one of two', async t => {
    const host = startCommitter(home, 'held', 5)
    t.equal(await host.ended, 0)
    const holder = startCommitter(home, 'held', 0)
    await holder.opened
    t.match(artifact(['ls', '--json']), { status: 0, stdout: /"name":"held","id".*"version":"v4"/ })
    holder.stop()
    t.equal(await holder.ended, 0)
  })
})

t.test('a store of which one may only read the files can be read', async t => {
  const { folder, home } = await makeStore(t)
  openTree(home, 0o555)
  const command = isRoot
    ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath]
    : [process.execPath]
  const run: Run = args => {
    const [program = '', ...first] = [...command, CLI, ...args]
    return spawnSync(program, first, {
      encoding: 'utf8',
      cwd: folder,
      env: environment(folder, home),
    })
  }
  checkReading(t, run, { folder, home })
  openTree(home, 0o755)
})

/** Gives everything below a folder, and itself, these permissions; files are not executable. */
function openTree(root: string, mode: number): void {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    chmodSync(path, entry.isDirectory() ? mode : mode & 0o666)
  }
  chmodSync(root, mode)
}
