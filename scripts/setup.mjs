// Brings a fresh clone to a built tree: installs when node_modules is absent or older than the
// lock file, then compiles. `npm test` and `npm run quickstart` both begin with it.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const installed = join(root, 'node_modules/.package-lock.json')
const lock = join(root, 'package-lock.json')

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  run('npm', ['ci', '--no-audit', '--no-fund'])
}
run(process.execPath, [join(root, 'scripts/build.mjs')])
