import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { CLI } from '../../fixtures/run-cli.js'

const NOBODY = 65534
// Root reads everything.
const isRoot = process.getuid?.() === 0
const user = isRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []

const folder = mkdtempSync(join(tmpdir(), 'artifactd-unreadable-'))
const data = join(folder, 'data')
const closed = join(data, 'closed')
t.teardown(() => rmSync(folder, { recursive: true }))
if (isRoot) chownSync(folder, NOBODY, NOBODY)
mkdirSync(closed, { recursive: true })
for (const path of ['a.txt', 'secret', 'closed/inside']) writeFileSync(join(data, path), path)
for (const path of ['', 'a.txt', 'secret', 'closed', 'closed/inside']) {
  if (isRoot) chownSync(join(data, path), NOBODY, NOBODY)
}

/** Runs `artifact` as somebody who is not root. */
function run(...args: string[]) {
  const [program = '', ...rest] = [...user, process.execPath, CLI, ...args, '--json']
  const env = {
    PATH: process.env.PATH,
    ARTIFACT_HOME: join(folder, 'home'),
    ARTIFACT_DAEMON: 'never',
  }
  const { status, stdout, stderr } = spawnSync(program, rest, { encoding: 'utf8', env })
  return { status, json: JSON.parse(stdout || stderr) }
}

const canRun = spawnSync(user[0] ?? 'true', [...user.slice(1), process.execPath, '-p', '1'])
const skip = canRun.status !== 0 && 'nobody cannot run this Node'

t.test('what may not be read is named, and nothing is logged', { skip }, t => {
  const cases: [path: string, mode: number, named: string][] = [
    ['secret', 0o000, 'secret'],
    ['secret', 0o200, 'secret'],
    ['closed', 0o000, 'closed'],
    ['closed', 0o111, 'closed'],
    // Its names may be listed, and nothing more.
    ['closed', 0o444, 'closed/inside'],
  ]
  for (const [path, mode, named] of cases) {
    const before = path === 'secret' ? 0o600 : 0o700
    chmodSync(join(data, path), mode)
    const error = {
      code: 'FILE_UNREADABLE',
      details: { file: join(data, named), system: 'EACCES' },
    }
    for (const policy of ['mutable', 'immutable']) {
      const put = run('put', data, '-n', 'p/a', '--policy', policy)
      t.match(put, { status: 1, json: { error } }, `${path} ${mode.toString(8)}, ${policy}`)
    }
    t.match(run('put', data, '-n', 'p/left', '--ignore', path), { status: 0 }, 'unless ignored')
    chmodSync(join(data, path), before)
  }
  t.same(run('show', 'p/a').status, 3, 'there is no version')
  t.match(run('put', data, '-n', 'p/a'), { status: 0, json: { fileCount: 3, version: 'v0' } })
  t.end()
})

t.test('a file that was read before, and may not be any more, is named', { skip }, t => {
  const file = join(data, 'secret')
  t.match(run('put', file, '-n', 'p/b'), { status: 0 })
  chmodSync(file, 0)
  for (const path of [file, data]) {
    t.match(run('put', path, '-n', 'p/b'), { status: 1, json: { error: { details: { file } } } })
  }
  t.end()
})
