import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, init } from '../../src/index.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { cleanStore } from '../../src/sync/clean-store.js'

const { folder, home } = useHome(t)

t.test('what is downloaded stays until it is written, whatever is evicted meanwhile', async t => {
  const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const run = await init({ project: 'p', remote: server.url })
  const artifact = new Artifact({ name: 'cats', type: 'dataset' })
  const large = Buffer.alloc(300_000, 'large')
  await artifact.newFile('large.bin', large)
  await artifact.newFile('small.txt', 'small')
  await run.logArtifact(artifact).wait()
  const store = sharedStore(home)
  const evict = () => cleanStore(store, { limit: 0, remote: openHttpRemote({ url: server.url }) })
  t.equal((await evict()).evicted.length, 1)

  for (const state of ['evicted', 'fetched']) {
    const version = await run.useArtifact('cats:latest')
    const fetch = version.fetch.bind(version)
    version.fetch = async options => {
      const bytes = await fetch(options)
      t.equal((await evict()).evicted.length, 1, state)
      store.healer = undefined
      return bytes
    }
    const root = await version.download({ root: join(folder, state) })
    t.ok(readFileSync(join(root, 'large.bin')).equals(large))
    t.equal(readFileSync(join(root, 'small.txt'), 'utf8'), 'small')
  }
  const { bytesAfter } = await evict()
  t.ok(bytesAfter < 10_000, 'afterwards it goes')
})
