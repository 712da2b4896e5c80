import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createLogger } from '../../daemon/create-logger.js'
import { askStatus } from '../../fixtures/ask-status.js'
import { openHomes } from '../../fixtures/open-homes.js'
import { runNode } from '../../fixtures/run-node.js'
import { spawnDaemon } from '../../fixtures/spawn-daemon.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { ArtifactError } from '../../src/errors.js'

const ARTIFACTD = fileURLToPath(new URL('../../cli/artifactd.js', import.meta.url))

t.test('every line of the log is JSON, unless it is for people', async t => {
  const { home } = openHomes(t)
  for (const [format, line] of [
    ['json', /^{.*"msg":"artifactd started".*}$/],
    ['pretty', /^\d{4}-\d\d-\d\dT\S+Z INFO {2}artifactd started {2}home=\S+$/],
  ] as const) {
    const { child, ended, output } = spawnDaemon(t, home, { args: ['--log-format', format] })
    await waitUntil(() => askStatus(home))
    child.kill('SIGTERM')
    t.equal(await ended, 0)
    const lines = output().trim().split('\n')
    t.match(lines[0], line)
    t.match(lines.at(-1), /artifactd ended/)
    if (format === 'json') for (const text of lines) t.type(JSON.parse(text).time, 'number')
  }
})

t.test('what a line for people says', async t => {
  const lines: string[] = []
  const write = (line: string) => lines.push(line)
  const log = createLogger('pretty', { write })
  log.error({ err: new ArtifactError('STORE_FULL', 'no room') }, 'the pass failed')
  log.warn({ url: 'http://a', list: [{ b: 1 }], words: 'two words' }, 'careful')
  t.match(lines.shift(), /^\S+Z ERROR the pass failed {2}STORE_FULL\n$/)
  t.match(
    lines.shift(),
    / WARN {2}careful {2}url=http:\/\/a {2}list=\[.*\] {2}words="two words"\n$/,
  )
  createLogger(undefined, { write, isTTY: true }).info('hello')
  t.match(lines.shift(), /Z INFO {2}hello\n$/, 'the default on a terminal')
})

t.test('artifactd takes its flags, and commands of artifact', async t => {
  const { home } = openHomes(t)
  const run = (...args: string[]) => runNode([ARTIFACTD, ...args], { env: { ARTIFACT_HOME: home } })
  t.match(await run('--idle', '0.1'), { code: 0, stdout: /artifactd started/ })
  t.match(await run('--log-format', 'xml'), { code: 2, stdout: /USAGE/ })
  t.match(await run('--limit', 'fast', '--idle', '0.1'), { code: 2, stdout: /INVALID_CONFIG/ })
  t.match(await run('--version'), { code: 0, stdout: /^\d+\.\d+/ })
  t.match(await run('ls', '--json'), { code: 0, stdout: /^\[\]/ })
})

t.test('the unit of the page is one that systemd takes', async t => {
  const page = fileURLToPath(new URL('../../../docs/daemon.md', import.meta.url))
  const unit = /```ini\n([\s\S]+?)```/.exec(readFileSync(page, 'utf8'))?.[1] ?? ''
  t.match(unit, /ExecStart=\/usr\/local\/bin\/artifactd --log-format json\n/)
  if (!existsSync('/usr/bin/systemd-analyze')) return t.comment('there is no systemd-analyze here')
  const folder = t.testdir({
    'artifactd.service': unit.replace('/usr/local/bin/artifactd', '/bin/true'),
  })
  const file = join(folder, 'artifactd.service')
  const env = { ...process.env, XDG_RUNTIME_DIR: folder }
  const { error, stderr } = spawnSync('systemd-analyze', ['verify', '--user', file], { env })
  t.equal(error, undefined)
  // It looks at the units of this machine too.
  t.notMatch(String(stderr), /artifactd\.service/)
})
