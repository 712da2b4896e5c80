import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { isSynced } from '../../fixtures/is-synced.js'
import { makeTree } from '../../fixtures/make-tree.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { startArtifactd } from '../../fixtures/start-artifactd.js'
import { useHome } from '../../fixtures/use-home.js'
import { waitUntil } from '../../fixtures/wait-until.js'

const { folder, home } = useHome(t)

t.test('eight puts, two gets, ls, verify and artifactd on one home all succeed', async t => {
  const server = await serveProcess(t, join(folder, 'server'))
  const env = { ARTIFACT_REMOTE: server.url }
  const cli = cliIn(folder, home, env)
  const first = join(folder, 'first')
  makeTree(first, 100, 'first')
  t.equal((await cli(['put', 'first', '-n', 'p/first'])).code, 0)
  const puts = Array.from({ length: 8 }, (_, index) => `tree${index}`)
  for (const name of puts) {
    makeTree(join(folder, name), 100, name)
    writeFileSync(join(folder, name, 'shared.bin'), Buffer.alloc(400_000, 'shared'))
  }
  mkdirSync(join(folder, 'out'))

  const artifactd = startArtifactd(t, home, env)
  const outs = ['out/a', 'out/b']
  const ended = await Promise.all([
    ...puts.map(name => cli(['put', name, '-n', 'p/all', '--json'])),
    ...outs.map(root => cli(['get', 'p/first', '--root', root, '--json'])),
    cli(['ls', '--json']),
    cli(['verify', 'p/first', '--json']),
  ])
  for (const { code, stderr } of ended) t.match({ code, stderr }, { code: 0, stderr: '' })
  t.same(
    ended
      .slice(0, 8)
      .map(({ json }) => json.version)
      .sort(),
    puts.map((_, index) => `v${index}`),
    'each has a number of its own',
  )
  for (const root of outs) t.same(hashTree(join(folder, root)), hashTree(first))
  t.equal(artifactd.child.exitCode, null)

  await waitUntil(() => isSynced(cli))
  const elsewhere = cliIn(folder, join(folder, 'elsewhere'), env)
  for (const [index, name] of puts.entries()) {
    const root = `out/${name}`
    const { version } = ended[index]!.json
    t.equal((await elsewhere(['get', `p/all:${version}`, '--root', root])).code, 0)
    t.same(hashTree(join(folder, root)), hashTree(join(folder, name)), `${name} on the server`)
  }
})
