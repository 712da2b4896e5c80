import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { startNode } from '../../fixtures/run-node.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact } from '../../src/index.js'
import { openStore } from '../../src/store/store.js'

const HOLD_HOST = fileURLToPath(new URL('../../fixtures/hold-host.js', import.meta.url))

/** A home whose host is another process. */
async function startHost(t: Test, home: string) {
  await openStore(home).close()
  const host = startNode([HOLD_HOST, home])
  t.teardown(() => host.child.kill('SIGKILL'))
  await host.sees(/ready/)
  return async () => {
    host.child.kill('SIGKILL')
    await host.ended
  }
}

t.test('what was added stays until it is logged, also when the host is killed', async t => {
  const { folder, home } = useHome(t)
  const killHost = await startHost(t, home)
  const artifact = new Artifact({ name: 'cats', type: 'dataset' })
  await artifact.newFile('large.bin', seededBytes('large', 600_000))
  await artifact.newFile('small.bin', seededBytes('small', 1000))
  // Its pack is finished, so that it is in the index.
  await artifact.store.ingest().flush()
  await killHost()
  const cli = cliIn(folder, home)
  t.match((await cli(['cache', 'clean', '--json'])).json, { freedBytes: 0 })
  const saved = await artifact.save({ project: 'p' })
  t.match(await saved.verify(), { files: 2, problems: [] })

  await saved.delete()
  const { json } = await cli(['cache', 'clean', '--json'])
  t.ok(json.freedBytes > 600_000, 'nothing is held any more')
})

t.test('a store that nobody writes to is cleaned at once after its host was killed', async t => {
  const { folder, home } = useHome(t, { 'a.bin': seededBytes('a', 600_000) })
  const cli = cliIn(folder, home)
  await cli(['put', join(folder, 'a.bin'), '-n', 'p/cats'])
  await cli(['rm', 'p/cats:v0'])
  const killHost = await startHost(t, home)
  await killHost()
  const { json } = await cli(['cache', 'clean', '--json'])
  t.ok(json.freedBytes > 600_000)
})
