import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { CLI, cliIn } from '../../fixtures/run-cli.js'
import { openLevelCatalog } from '../../src/catalog/open-level-catalog.js'
import { homePaths } from '../../src/model/home.js'

const SCRIPT = fileURLToPath(new URL('../../fixtures/store/exhaust-files.js', import.meta.url))
const NOBODY = 65534

t.test('too many open files fail a log, and nothing else', async t => {
  const folder = t.testdir({})
  const home = join(folder, 'home')
  const numbers = Array.from({ length: 16 }, (_, index) => `${index * 2}`)
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 150; exec "$@"', 'sh', process.execPath, SCRIPT, home, ...numbers],
    { encoding: 'utf8', env: { PATH: process.env.PATH } },
  )
  t.match({ status, stderr }, { status: 0, stderr: '' })
  const lines = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.equal(lines.length, numbers.length)
  let next = 0
  const failed = new Set<string>()
  for (const { left, during, after } of lines) {
    if (during === `v${next}`) next += 1
    else {
      failed.add(during)
      t.equal(during, 'STORE_FAILED', `${left} more`)
    }
    t.equal(after, `v${next++}`, `after ${left} more`)
  }
  t.ok(failed.size > 0)
  t.comment(`${2 * lines.length - next} of ${lines.length} logs failed`)
  t.equal((await cliIn(folder, home)(['ls', '--json'])).json.length, next)
  t.equal((await cliIn(folder, home)(['verify', 'p/cats'])).code, 0)
})

t.test('a folder that may not be written fails a log, and nothing else', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'artifactd-denied-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const home = join(folder, 'home')
  const isRoot = process.getuid?.() === 0
  if (isRoot) chownSync(folder, NOBODY, NOBODY)
  const user = isRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []
  const run = (...args: string[]) => {
    const [program = '', ...rest] = [...user, process.execPath, CLI, ...args]
    const env = { PATH: process.env.PATH, ARTIFACT_HOME: home, ARTIFACT_DAEMON: 'never' }
    return spawnSync(program, rest, { encoding: 'utf8', cwd: folder, env })
  }
  /** Logs a small file, which goes into a pack, and a large one, which becomes an object. */
  const put = (name: string) => {
    writeFileSync(join(folder, 'small'), randomBytes(100))
    writeFileSync(join(folder, 'large'), randomBytes(500_000))
    return run('put', 'small', 'large', '-n', `p/${name}`, '--json')
  }
  t.match(put('before'), { status: 0, stderr: '' })
  const { packs, objects, journal, catalog, tmp } = homePaths(home)
  for (const path of [tmp, packs, objects, journal, catalog]) {
    const inside = readdirSync(path, { recursive: true, withFileTypes: true })
    const folders = inside.filter(entry => entry.isDirectory())
    const denied = [path, ...folders.map(({ parentPath, name }) => join(parentPath, name))]
    for (const each of denied) chmodSync(each, 0o500)
    const { status, stdout, stderr } = put('denied')
    t.match({ status, stdout }, { status: 1, stdout: '' }, path)
    t.match(JSON.parse(stderr), { error: { code: 'STORE_FAILED' } })
    for (const each of denied) chmodSync(each, 0o700)
    t.match(run('show', 'p/denied'), { status: 3 }, 'it was not logged')
    t.match(run('verify', 'p/before'), { status: 0 })
    t.match(put(`after-${basename(path)}`), { status: 0, stderr: '' })
  }
})

t.test('a disk that fails to flush fails a log, and nothing else', async t => {
  const home = t.testdir({})
  const probe = await open(process.execPath)
  const handles = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const catalog = (await openLevelCatalog(home))!
  t.match(await catalog.log(makeLogRequest('cats', 'a')), { number: 0 })
  const { datasync } = handles
  t.teardown(() => {
    handles.datasync = datasync
  })
  handles.datasync = async () => {
    throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
  }
  const lost = makeLogRequest('cats', 'b')
  await t.rejects(catalog.log(lost), { code: 'STORE_FAILED', details: { system: 'EIO' } })
  handles.datasync = datasync
  t.match(await catalog.log(makeLogRequest('cats', 'c')), { number: 1 })
  await catalog.close()
  const again = (await openLevelCatalog(home))!
  t.same(
    (await again.listVersions({})).items.map(({ number }) => number),
    [0, 1],
    'what was refused is not there',
  )
  t.match(await again.log(lost), { number: 2 })
  await again.close()
})
