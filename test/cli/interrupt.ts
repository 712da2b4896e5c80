import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn, startCli } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'
import { waitUntil } from '../../fixtures/wait-until.js'

const { folder, home } = useHome(t)
const tree = join(folder, 'tree')
mkdirSync(tree)
const line = 'many lines of text '.repeat(500)
for (let file = 0; file < 6000; file += 1) writeFileSync(join(tree, `${file}`), `${file}${line}`)
const cli = cliIn(folder, home)

/** The packs that are being written into the store, or were when a process was killed. */
function listOpenPacks(): string[] {
  try {
    const names = readdirSync(join(home, 'tmp'), { recursive: true, encoding: 'utf8' })
    return names.filter(name => name.endsWith('.pack'))
  } catch {
    return []
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} during a put of many files`, async t => {
    for (const more of [[], ['--json']]) {
      const before = new Set(listOpenPacks())
      const { child, ended } = startCli(['put', 'tree', ...more], {
        cwd: folder,
        env: { ARTIFACT_HOME: home },
      })
      const isWriting = async () => listOpenPacks().some(pack => !before.has(pack))
      await Promise.race([waitUntil(isWriting), ended])
      child.kill(signal)
      const { code, stdout, stderr } = await ended
      t.equal(code, 130)
      t.equal(stdout, '')
      if (more.length > 0) t.match(JSON.parse(stderr).error, { code: 'INTERRUPTED' })
    }
    t.same((await cli(['ls', '--json'])).json, [], 'nothing was logged')
    t.match((await cli(['status', '--json'])).json, { pending: 0, failed: 0 })
  })
}

t.test('afterwards the store works, and what was left behind is gone', async t => {
  const put = await cli(['put', 'tree', '--json'])
  t.match(put, { code: 0, json: { version: 'v0', fileCount: 6000 } })
  t.equal((await cli(['verify', 'tree'])).code, 0)
  t.same(readdirSync(join(home, 'tmp')), [])
})
