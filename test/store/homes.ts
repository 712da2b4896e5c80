import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startCommitter } from '../../fixtures/catalog/start-committer.js'
import { logFiles } from '../../fixtures/log-files.js'
import { CLI } from '../../fixtures/run-cli.js'
import { thisMachine } from '../../src/ipc/machine.js'
import { homePaths } from '../../src/model/home.js'
import { checkHome } from '../../src/store/check-home.js'
import { openStore } from '../../src/store/store.js'

const FUSE = 0x65735546
const NINE_P = 0x01021997

/** The record of a host that did not end cleanly. */
function writeHolder(home: string, holder: { hostname: string; bootId: string | null }): void {
  const { host } = homePaths(home)
  mkdirSync(host, { mode: 0o700, recursive: true })
  const protocol = { min: 1, max: 1 }
  const record = { address: 'gone.sock', pid: 4711, protocol, ...holder }
  writeFileSync(join(host, 'host.json'), JSON.stringify(record), { mode: 0o600 })
}

t.test('a network file system is refused', async t => {
  const home = t.testdir({})
  for (const type of [0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x00c36400, 0x0bd00bd0]) {
    t.throws(() => checkHome(home, type), { code: 'STORE_NOT_LOCAL', details: { home } })
  }
  // ext4, btrfs, xfs, tmpfs, overlay
  for (const type of [0xef53, 0x9123683e, 0x58465342, 0x01021994, 0x794c7630]) {
    t.doesNotThrow(() => checkHome(home, type))
  }
  t.doesNotThrow(() => checkHome(join(home, 'not', 'made', 'yet')), 'this one')
  if (process.platform === 'linux') t.comment(`this one: 0x${statfsSync(home).type.toString(16)}`)
})

t.test('where locks may not hold, another machine must have given the store up', async t => {
  const { bootId } = thisMachine()
  const away = { hostname: 'another.machine', bootId: 'another' }
  for (const type of [FUSE, NINE_P]) {
    const home = t.testdir({})
    t.doesNotThrow(() => checkHome(home, type), 'nobody had it')
    writeHolder(home, { hostname: hostname(), bootId: 'before the restart' })
    t.doesNotThrow(() => checkHome(home, type), 'this machine, before a restart')
    writeHolder(home, { hostname: 'a container', bootId })
    t.doesNotThrow(() => checkHome(home, type), 'another container of this machine')
    writeHolder(home, away)
    t.throws(() => checkHome(home, type), {
      code: 'STORE_ELSEWHERE',
      message: /4711 of another\.machine.*remove .*host\.json/,
      details: { hostname: 'another.machine', pid: 4711 },
    })
    // On a disk of this machine the lock tells that it is gone.
    const store = openStore(home)
    t.match(await logFiles(store, { a: 'a' }), { number: 0 })
    await store.close()
    t.doesNotThrow(() => checkHome(home, type), 'a host that ends cleanly leaves no record')
  }
})

t.test('containers of one machine share a store', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'artifactd-box-'))
  const home = join(folder, 'home')
  const elsewhere = join(folder, 'elsewhere')
  t.teardown(() => rmSync(folder, { recursive: true }))
  mkdirSync(elsewhere)
  await openStore(home).close()
  const inBox = (args: string[]) =>
    spawnSync(
      'unshare',
      [
        '--mount',
        '--uts',
        'sh',
        '-ec',
        'hostname box; mount --bind "$0" "$1"; export ARTIFACT_HOME="$1"; shift; exec "$@"',
        home,
        elsewhere,
        process.execPath,
        ...args,
      ],
      { encoding: 'utf8', cwd: folder, env: { PATH: process.env.PATH, ARTIFACT_DAEMON: 'never' } },
    )
  const probe = inBox(['-p', 'os.hostname()'])
  if (probe.status !== 0) return t.comment(`skipped, no namespaces here: ${probe.stderr}`)
  t.equal(probe.stdout, 'box\n')

  const host = startCommitter(home, 'held', 0)
  await host.opened
  const own = join(folder, 'writer')
  writeFileSync(own, 'written in a box')
  const store = openStore(home)
  const writing = await store.ingest().folder()
  t.match(inBox([CLI, 'put', own, '-n', 'p/box', '--json']), { status: 0, stderr: '' })
  t.match(inBox([CLI, 'ls', '--json']), { status: 0, stdout: /"name":"box"/ })
  t.ok(readdirSync(homePaths(home).tmp).some(name => writing.endsWith(name)))
  t.match((await store.catalog.listVersions({})).items, [{ name: 'box', number: 0 }])
  await store.close()
  host.stop()
  t.equal(await host.ended, 0)
})
