import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { codeOf } from '../../fixtures/references/list-references.js'
import { GS_BUCKETS } from '../../fixtures/references/start-buckets.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact } from '../../src/index.js'

const make = () => new Artifact({ name: 'refs', type: 'dataset' })

t.test('gs', { skip: GS_BUCKETS.skip }, async t => {
  const { proxy, make: makeBucket, put } = await GS_BUCKETS.start(t)
  const fill = async (name: string, keys: string[]) => {
    await makeBucket(name)
    for (const key of keys) await put(name, key)
  }

  await t.test('a key that is no path as it is becomes an error that names it', async t => {
    useHome(t)
    const keys = { up: '../../x', root: '/etc/x', double: 'a//b', dot: './a', drive: 'C:/x' }
    await fill(
      'evil',
      Object.entries(keys).map(([folder, key]) => `${folder}/${key}`),
    )
    for (const [folder, key] of Object.entries(keys)) {
      await t.rejects(make().addReference(`gs://evil/${folder}`, { name: 'n' }), {
        code: 'INVALID_PATH',
        details: { path: key, uri: `gs://evil/${folder}/${key}` },
      })
    }
    const artifact = make()
    await artifact.addReference('gs://evil/up/../../x')
    await artifact.addReference('gs://evil/double/a//b', { name: 'named' })
    t.same(await listEntries(artifact), ['named', 'x'], 'one by one they can be added')
  })

  await t.test('a backslash is an ordinary character, and stays below the folder', async t => {
    const { folder } = useHome(t)
    await fill('backslash', ['p/a\\..\\..\\b'])
    const artifact = make()
    await artifact.addReference('gs://backslash/p')
    const logged = await artifact.save({ project: 'p' })
    const root = await logged.download({ root: join(folder, 'deep/out') })
    t.equal(readFileSync(join(root, 'a\\..\\..\\b'), 'utf8'), 'bytes of p/a\\..\\..\\b')
    t.notOk(existsSync(join(folder, 'b')))
  })

  await t.test('what was recorded comes from the generation that had it, cut or not', async t => {
    const { folder } = useHome(t)
    await makeBucket('kept', { versions: true })
    await put('kept', 'big', 'old '.repeat(100_000))
    const artifact = make()
    await artifact.addReference('gs://kept/big')
    const logged = await artifact.save({ project: 'p' })
    await put('kept', 'big', 'new')
    proxy.requests.length = 0
    proxy.cuts = [150_000]
    const root = await logged.download({ root: join(folder, 'out') })
    t.equal(readFileSync(join(root, 'big'), 'utf8'), 'old '.repeat(100_000))
    t.equal(proxy.cuts.length, 0)
    t.ok(proxy.requests.length >= 2, 'a second request for the rest')
    t.same((await logged.verify(root)).problems, [])
    t.same((await logged.verify()).problems, [])
    const now = make()
    await now.addReference('gs://kept/big')
    t.equal((await now.save({ project: 'p' })).version, 'v1')
  })

  await t.test('bytes that are in the store by their MD5 are not fetched', async t => {
    const { folder, home } = useHome(t)
    const { openStore } = await import('../../src/store/store.js')
    await openStore(home, { algorithm: 'md5' }).close()
    await fill('known', ['k'])
    const artifact = make()
    await artifact.newFile('other-name', 'bytes of k')
    await artifact.addReference('gs://known/k')
    const logged = await artifact.save({ project: 'p' })
    proxy.requests.length = 0
    const root = await logged.download({ root: join(folder, 'out') })
    t.same(proxy.requests, [])
    t.equal(readFileSync(join(root, 'k'), 'utf8'), 'bytes of k')
  })

  await t.test('the limit holds for prefixes', async t => {
    useHome(t)
    await fill('limited', ['p/1', 'p/2', 'p/3', 'p2/4'])
    t.equal(
      await codeOf(make().addReference('gs://limited/p', { maxObjects: 2 })),
      'TOO_MANY_OBJECTS',
    )
    await make().addReference('gs://limited/p', { maxObjects: 3 })
  })
})
