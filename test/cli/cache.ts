import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'
import { listStoredFiles } from '../../src/store/list-stored-files.js'

const { folder, home } = useHome(t)
const cli = cliIn(folder, home)
const LARGE = 300_000

const makeFile = (name: string) => {
  writeFileSync(join(folder, name), seededBytes(name, LARGE))
  return name
}

const bytesIn = (home: string) => listStoredFiles(home).reduce((sum, { size }) => sum + size, 0)

t.test('a store says what takes how much room, each byte counted once', async t => {
  const [a, b, c] = ['a', 'b', 'c'].map(makeFile)
  await cli(['put', a!, b!, '-n', 'one/cats'])
  await cli(['put', b!, '-n', 'one/dogs'])
  await cli(['put', b!, c!, '-n', 'two/cats'])
  const { json } = await cli(['cache', '--json'])
  t.match(json, { home, bytes: bytesIn(home), syncedBytes: 0, limit: null, evictable: false })
  t.equal(json.sharedBytes, LARGE, 'b')
  t.match(json.projects, [
    {
      entity: 'default',
      project: 'one',
      sharedBytes: 0,
      collections: [
        { name: 'cats', versions: 1, evicted: 0 },
        { name: 'dogs', versions: 1, evicted: 0 },
      ],
    },
    { project: 'two', collections: [{ name: 'cats' }] },
  ])
  const [one] = json.projects
  const [cats, dogs] = one.collections
  t.ok(cats.bytes > LARGE && cats.bytes < LARGE + 1000, 'a, and its manifest')
  t.ok(dogs.bytes < 1000)
  t.equal(one.bytes, cats.bytes + dogs.bytes)
  const total = json.projects.reduce((sum: number, { bytes }: { bytes: number }) => sum + bytes, 0)
  t.equal(total + json.sharedBytes, json.pendingBytes, 'it adds up')
  t.ok(json.deadBytes < 1000)
  const { stdout } = await cli(['cache'])
  t.match(stdout, /one\/cats +1 version +29\d KiB\n/)
  t.match(stdout, /shared by projects +293 KiB/)
  t.match(stdout, /pending, stays/)
  t.match(stdout, /needed by no version: artifact cache clean frees it where it is a quarter of/)
})

t.test('without a remote nothing can be evicted', async t => {
  const before = bytesIn(home)
  const { code, json } = await cli(['cache', 'clean', '--max', '0', '--json'])
  t.equal(code, 0)
  t.match(json, { bytesBefore: before, bytesAfter: before, freedBytes: 0, evicted: [], limit: 0 })
  t.match((await cli(['cache', 'clean', '--max', '0'])).stdout, /above 0 B: nothing can be evicted/)
  t.equal((await cli(['cache', 'clean', '--max', 'much'])).code, 2)
})

t.test('what the server has is evicted to a size, listed, and fetched again', async t => {
  const server = await serveProcess(t, join(folder, 'server'))
  const env = { ARTIFACT_REMOTE: server.url }
  await cli(['sync'], { env })
  await cli(['get', 'two/cats', '--root', 'out-two'], { env })
  await cli(['put', makeFile('pending'), '-n', 'one/later'], { env })
  const before = bytesIn(home)
  const limit = `${2.5 * LARGE}`
  const planned = await cli(['cache', 'clean', '--max', limit, '--dry-run', '--json'], { env })
  t.equal(bytesIn(home), before, 'a dry run changes nothing')
  const { json } = await cli(['cache', 'clean', '--max', limit, '--json'], { env })
  t.same(planned.json.evicted, json.evicted)
  t.same(
    json.evicted.map(({ name, version }: { name: string; version: string }) => name + version),
    ['catsv0', 'dogsv0', 'catsv0'],
    'those that were used longest ago first',
  )
  t.same(json.evicted[2].project, 'two')
  t.equal(bytesIn(home), json.bytesAfter)
  t.ok(json.bytesAfter <= Number(limit))

  const listed = (await cli(['ls', '--json'], { env })).json
  t.match(
    listed.map(({ project, name, evicted, local, state }: Record<string, unknown>) => ({
      ...{ project, name, evicted, local, state },
    })),
    [
      { project: 'one', name: 'cats', evicted: true, local: false, state: 'synced' },
      { project: 'one', name: 'dogs', evicted: true, local: false },
      { project: 'one', name: 'later', evicted: false, local: true, state: 'pending' },
      { project: 'two', name: 'cats', evicted: true, local: false },
    ],
  )
  t.match((await cli(['ls'], { env })).stdout, /one\/cats:v0 .* evicted /)
  t.match((await cli(['show', 'one/cats:v0', '--json'], { env })).json, {
    state: 'synced',
    evicted: true,
  })
  t.match((await cli(['cache', '--json'], { env })).json.projects[0].collections[0], {
    name: 'cats',
    evicted: 1,
  })
  const offline = await cli(['get', 'one/cats', '--root', 'out-off', '--json'], {
    env: { ...env, ARTIFACT_MODE: 'offline' },
  })
  t.match(offline.error, { code: 'BLOB_MISSING' })

  const got = await cli(['get', 'one/cats:v0', '--root', 'out', '--json'], { env })
  t.match(got, { code: 0, json: { downloadedBytes: 2 * LARGE } })
  t.equal((await cli(['verify', 'one/cats', '--root', 'out'], { env })).code, 0)
  t.match((await cli(['show', 'one/cats:v0', '--json'], { env })).json, { evicted: false })
  await cli(['put', 'b', '-n', 'one/dogs'], { env })
  t.match((await cli(['show', 'one/dogs:v0', '--json'], { env })).json, { evicted: false })
  await server.stop()
  const unreachable = await cli(['cache', 'clean', '--max', '0', '--json'], { env })
  t.match(unreachable, { code: 0, json: { evicted: [], reason: { code: 'REMOTE_UNREACHABLE' } } })
})

t.test('the store of a server is collected, and never evicted from', async t => {
  const data = join(folder, 'server')
  const server = await serveProcess(t, data)
  const before = bytesIn(data)
  const self = { ARTIFACT_HOME: data, ARTIFACT_REMOTE: server.url }
  const clean = await cli(['cache', 'clean', '--max', '0', '--json'], { env: self })
  t.match(clean.json, { evicted: [], bytesAfter: before })
  const collect = await cli(['server', 'collect', '--data', 'server', '--json'])
  t.match(collect.json, { bytesBefore: before, bytesAfter: before, freedBytes: 0, dryRun: false })
  t.match((await cli(['server', 'collect', '--data', 'server'])).stdout, /^0 B freed, /)
  t.match(await cli(['server', 'collect', '--data', 'nowhere', '--json']), {
    error: { code: 'INVALID_CONFIG' },
  })
  t.equal((await cli(['server', '--collect-every', 'often'])).code, 2)
  await server.stop()
})

t.test('a cache limit is a setting of the store', async t => {
  const { json } = await cli(['init', '--cache-limit', '50GB', '--json'])
  t.equal(json.cacheLimit, 50e9)
  t.equal((await cli(['cache', '--json'])).json.limit, 50e9)
  t.match((await cli(['cache'])).stdout, / of 46\.6 GiB in packs and objects/)
  t.match(await cli(['init', '--cache-limit', 'big', '--json']), {
    error: { code: 'INVALID_CONFIG' },
  })
  t.equal((await cli(['init', '--cache-limit', 'none', '--json'])).json.cacheLimit, null)
})
