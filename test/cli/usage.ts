import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn, DAEMON, startCli } from '../../fixtures/run-cli.js'
import { runNode } from '../../fixtures/run-node.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder, home } = useHome(t, { 'a.txt': 'a' })
const cli = cliIn(folder, home)
const COMMANDS = [
  'init',
  'put',
  'get',
  'ls',
  'show',
  'verify',
  'sync',
  'status',
  'daemon',
  'server',
]

t.test('every command has a help text', async t => {
  const { code, stdout } = await cli(['--help'])
  t.equal(code, 0)
  for (const command of COMMANDS) t.match(stdout, new RegExp(`^  ${command} .*\\w`, 'm'))
  t.match(stdout, /Exit codes: 0 done; 1 failed or differs; 2 usage; 3 not found/)
  t.match(stdout, /ARTIFACT_HOME/)
  t.equal((await cli(['help'])).stdout, stdout)
  for (const command of COMMANDS) {
    const help = await cli([command, '--help'])
    t.equal(help.code, 0, command)
    t.match(help.stdout, new RegExp(`^Usage: artifact ${command}`), command)
  }
  const { version } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  )
  t.equal((await cli(['--version'])).stdout, `${version}\n`)
})

t.test('usage errors exit with 2, with the help, or as JSON', async t => {
  const rows: [args: string[], said: RegExp][] = [
    [['bogus'], /unknown command 'bogus'/],
    [['put'], /missing required argument/],
    [['get'], /missing required argument/],
    [['get', 'a', 'b'], /too many arguments/],
    [['ls', '--bogus'], /unknown option '--bogus'/],
    [['put', 'a.txt', '-n'], /argument missing/],
    [['daemon', 'bogus'], /unknown command 'bogus'/],
  ]
  for (const [args, said] of rows) {
    const text = await cli(args)
    t.equal(text.code, 2, args.join(' '))
    t.equal(text.stdout, '')
    t.match(text.stderr, said)
    t.match(text.stderr, /Usage: artifact/)
    const json = await cli([...args.slice(0, 1), '--json', ...args.slice(1)])
    t.equal(json.code, 2)
    t.equal(json.stdout, '')
    t.match(json.error, { code: 'USAGE', message: /./, hint: /--help/ }, args.join(' '))
  }
  t.equal((await cli([])).code, 2)
})

t.test('wrong settings are named', async t => {
  const rows: [env: Record<string, string>, named: RegExp][] = [
    [{ ARTIFACT_MODE: 'x' }, /ARTIFACT_MODE/],
    [{ ARTIFACT_DAEMON: 'x' }, /ARTIFACT_DAEMON/],
    [{ ARTIFACT_REMOTE: 'x' }, /remote: x/],
    [{ ARTIFACT_PROJECT: 'a/b' }, /project/],
    [{ ARTIFACT_ENTITY: 'a/b' }, /entity/],
  ]
  for (const [env, named] of rows) {
    const { code, error } = await cli(['ls', '--json'], { env })
    t.equal(code, 2)
    t.match(error.message, named)
  }
  const broken = join(folder, 'home-broken')
  mkdirSync(broken)
  writeFileSync(join(broken, 'config.json'), '{')
  const { code, error } = await cliIn(folder, broken)(['ls', '--json'])
  t.match({ code, error }, { code: 2, error: { code: 'INVALID_CONFIG', message: /config\.json/ } })
})

t.test('artifactd with arguments is artifact', async t => {
  const env = { ARTIFACT_HOME: join(folder, 'home-d'), ARTIFACT_DAEMON: 'never' }
  const put = await runNode([DAEMON, 'put', 'a.txt', '--json'], { cwd: folder, env })
  t.match(JSON.parse(put.stdout), { name: 'a.txt', version: 'v0' })
  t.equal((await runNode([DAEMON, 'get', 'absent'], { cwd: folder, env })).code, 3)
})

t.test('a store of a format that is not known is refused', async t => {
  const other = join(folder, 'home-other')
  mkdirSync(other)
  const path = join(other, 'store.json')
  const refused = cliIn(folder, other)
  const id = '0'.repeat(32)
  for (const format of [0, 2, 99, '1', null]) {
    const text = JSON.stringify({ format, id, algorithm: 'xxh128' })
    writeFileSync(path, text)
    for (const args of [['put', 'a.txt'], ['ls'], ['status'], ['init']]) {
      const { code, error } = await refused([...args, '--json'])
      t.match({ code, error }, { code: 1, error: { code: 'STORE_UNSUPPORTED', message: /format/ } })
    }
    t.equal(readFileSync(path, 'utf8'), text)
  }
  for (const text of [
    '{',
    'null',
    '[]',
    '{"format":1}',
    `{"format":1,"id":"${id}","algorithm":"x"}`,
  ]) {
    writeFileSync(path, text)
    const { code, error } = await refused(['ls', '--json'])
    t.equal(code, 1, text)
    t.match(error.code, /^STORE_(DAMAGED|UNSUPPORTED)$/, text)
  }
})

t.test('a home that cannot be one', async t => {
  for (const at of [join(folder, 'a.txt'), '/proc/artifactd']) {
    const { code, error } = await cliIn(folder, at)(['put', 'a.txt', '--json'])
    t.match({ code, error }, { code: 1, error: { code: 'STORE_FAILED' } }, at)
    t.ok(error.message.includes(at))
  }
})

t.test('a reader that has enough of the output is no error', async t => {
  for (const args of [['--help'], ['ls'], ['ls', '--json']]) {
    const { child, ended } = startCli(args, { env: { ARTIFACT_HOME: home } })
    child.stdout?.destroy()
    t.match(await ended, { code: 0, stderr: '' }, args.join(' '))
  }
})
