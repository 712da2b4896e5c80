import { spawnSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { createProgressBar } from '../../cli/progress-bar.js'
import { CLI } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder, home } = useHome(t)

/** A terminal that keeps what is written to it. */
function fakeTerminal() {
  const shown: string[] = []
  const write = (text: string) => shown.push(stripVTControlCharacters(text))
  const stream = { isTTY: true, columns: 120, write, on: () => {}, removeListener: () => {} }
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => shown.join('\n') }
}

t.test('a step shows what it does once it takes half a second', async t => {
  const { stream, text } = fakeTerminal()
  const bar = createProgressBar(stream)
  const MIB = 1024 * 1024
  bar.update({ step: 'add', files: 1, bytes: MIB })
  await sleep(100)
  bar.update({ step: 'add', files: 2, bytes: 2 * MIB })
  t.equal(text(), '')
  await sleep(500)
  bar.update({ step: 'add', files: 3000, bytes: 3 * MIB })
  t.match(text(), /adding {2}3,000 files {2}3 MiB {2}\d\.\d+ MiB\/s/)
  t.notMatch(text(), /%| 0 files/, 'while the whole is not known')
  await sleep(150)
  bar.update({ step: 'add', files: 4000, bytes: 4 * MIB, totalFiles: 8000, totalBytes: 8 * MIB })
  t.match(text(), /adding .*50% {2}4,000 files {2}4 MiB {2}.*\/s/)
  await sleep(150)
  bar.update({ step: 'add', files: 6000, bytes: 6 * MIB, totalFiles: 8000, totalBytes: 8 * MIB })
  await sleep(150)
  t.match(text(), /75% {2}6,000 files .*\/s {2}\d+s/, 'with the time that is left')
  bar.update({ step: 'checkout', files: 1, bytes: 1 })
  t.notMatch(text(), /writing/, 'the next step has half a second too')
  bar.stop()
})

/** Runs `artifact` on a terminal of its own. @returns what is to be seen there. */
function runOnTerminal(...args: string[]): string {
  const command = [process.execPath, CLI, ...args].map(arg => `'${arg}'`).join(' ')
  const env = { ...process.env, ARTIFACT_HOME: home, ARTIFACT_DAEMON: 'never', TERM: 'xterm' }
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { env, encoding: 'utf8' })
  return stripVTControlCharacters(stdout)
}

const { status } = spawnSync('script', ['-qec', 'true', '/dev/null'])
const skip = status !== 0 && 'there is no script(1) of util-linux'

t.test('a large file is seen being read, unless JSON is asked for', { skip }, t => {
  const file = join(folder, 'large')
  writeFileSync(file, '')
  truncateSync(file, 4 * 1024 ** 3)
  const put = ['put', file, '-n', 'p/large', '--policy', 'immutable']
  t.match(runOnTerminal(...put), /adding .*\d+% {2}0 files {2}[\d.]+ [MG]iB {2}[\d.]+ .iB\/s/)
  t.match(runOnTerminal(...put, '--json'), /^\{.*\}\s*$/)
  t.end()
})

t.test('what is done at once shows nothing', { skip }, t => {
  mkdirSync(join(folder, 'small'))
  writeFileSync(join(folder, 'small', 'file'), 'x')
  t.notMatch(runOnTerminal('put', join(folder, 'small'), '-n', 'p/small'), /adding/)
  t.end()
})
