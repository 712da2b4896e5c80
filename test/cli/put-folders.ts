import { spawnSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CLI } from '../../fixtures/run-cli.js'

const home = t.testdir({})
const env = { ...process.env, ARTIFACT_HOME: home, ARTIFACT_DAEMON: 'never', ARTIFACT_REMOTE: '' }

function put(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'put', ...args, '--json'], {
    env,
    encoding: 'utf8',
  })
  return { status, stderr, ...(status === 0 ? JSON.parse(stdout) : {}) }
}

t.test('--ignore and .artifactignore leave files out', async t => {
  const data = t.testdir({ 'a.txt': 'a', 'b.tmp': 'b', logs: { 'x.log': 'x' }, 'C.LOG': 'c' })
  t.equal(put(data, '-n', 'all').fileCount, 4)
  t.equal(put(data, '-n', 'some', '--ignore', '*.tmp', 'logs/').fileCount, 2)
  writeFileSync(join(data, '.artifactignore'), '*.log\n')
  t.equal(put(data, '-n', 'fewer', '--ignore', '*.tmp').fileCount, 3, 'and is itself kept')
})

t.test('--symlinks refuse names the link', async t => {
  const data = t.testdir({ 'a.txt': 'a' })
  symlinkSync('a.txt', join(data, 'link'))
  t.equal(put(data, '-n', 'followed').fileCount, 2)
  const { status, stderr } = put(data, '-n', 'refused', '--symlinks', 'refuse')
  t.equal(status, 1)
  t.ok(stderr.includes(join(data, 'link')))
})
