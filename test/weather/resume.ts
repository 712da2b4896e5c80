import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { isSynced } from '../../fixtures/is-synced.js'
import { cliIn, startCli } from '../../fixtures/run-cli.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { startArtifactd } from '../../fixtures/start-artifactd.js'
import { useHome } from '../../fixtures/use-home.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { startWeather } from '../../fixtures/weather/start-weather.js'
import { type BlobKey, blobKeyString } from '../../src/model/blob-key.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { openStore } from '../../src/store/store.js'
import { pushPending } from '../../src/sync/push.js'

const { folder } = useHome(t)
const SMALL = 60

/** A tree that goes in two packs: small files with the manifest, and the chunks of a large file. */
function makeTree(name: string): string {
  const tree = join(folder, name)
  mkdirSync(tree)
  for (let n = 0; n < SMALL; n += 1) {
    writeFileSync(join(tree, `${n}.bin`), seededBytes(`${name} ${n}`, 2000))
  }
  writeFileSync(join(tree, 'large.bin'), seededBytes(name, 6_000_000))
  return tree
}

/** Logs a tree, a server, and a watch on the records that go to it. */
async function setUp(t: Test, name: string) {
  const tree = makeTree(name)
  const home = join(folder, `home ${name}`)
  const data = join(folder, `data ${name}`)
  let server = await serveProcess(t, data)
  const weather = await startWeather(server.url)
  t.teardown(() => weather.close())
  // Slowly, so that there is a middle of it.
  weather.next = ({ url }) =>
    url?.endsWith('/packs') ? { kind: 'throttle', bytes: 16_384, ms: 1 } : undefined
  const env = { ARTIFACT_REMOTE: weather.url }
  const cli = cliIn(folder, home, env)
  t.equal((await cli(['put', name, '-n', 'p/tree'])).code, 0)
  const restart = async () => {
    await server.kill()
    server = await serveProcess(t, data)
    weather.target = server.url
  }
  const listMissing = async (keys: BlobKey[]) => {
    const indices = await openHttpRemote({ url: server.url }).listMissing('default', keys)
    return indices.map(index => keys[index]!)
  }
  /** Collects what is sent while `attempt` goes on, and calls `middle` once, amid the chunks. */
  const record = async (attempt: (reached: Promise<void>) => Promise<unknown>) => {
    const keys: BlobKey[] = []
    const reached = new Promise<void>(resolve => {
      weather.onRecord = key => {
        keys.push(key)
        if (keys.length === SMALL + 10) resolve()
      }
    })
    await attempt(reached)
    return keys
  }
  return { tree, home, env, cli, weather, restart, listMissing, record }
}

type Scene = Awaited<ReturnType<typeof setUp>>

/** Checks that a second attempt sends what the server lacks, once, and nothing else. */
async function finish(t: Test, name: string, scene: Scene, first: BlobKey[]): Promise<void> {
  const { tree, env, cli, listMissing, record } = scene
  const lost = new Set((await listMissing(first)).map(blobKeyString))
  const verified = first.map(blobKeyString).filter(key => !lost.has(key))
  t.ok(verified.length > SMALL, `${verified.length} of ${first.length} were verified`)
  const second = (
    await record(async () => {
      t.match(await cli(['sync', '--json']), { code: 0, json: { pending: 0, failed: [] } })
    })
  ).map(blobKeyString)
  t.same(
    second.filter(key => verified.includes(key)),
    [],
    'what was verified does not go again',
  )
  t.equal(new Set(second).size, second.length, 'nothing goes twice')
  t.ok(second.length > 0, 'the first attempt was cut')
  const all = new Set([...verified, ...second])
  t.equal(first.length + second.length, all.size + lost.size)
  t.comment(`${first.length} and ${second.length} records for ${all.size}; ${lost.size} were lost`)

  const other = cliIn(folder, join(folder, `other ${name}`), env)
  t.equal((await other(['get', 'p/tree', '--root', `out ${name}`])).code, 0)
  t.same(hashTree(join(folder, `out ${name}`)), hashTree(tree))
}

/** What was verified becomes durable when the server notices the end. */
const settle = ({ listMissing }: Scene, first: BlobKey[]) =>
  waitUntil(async () => (await listMissing([first[SMALL + 5]!])).length === 0)

t.test('after a cut connection', async t => {
  const scene = await setUp(t, 'cut')
  const store = openStore(scene.home)
  const { next } = scene.weather
  let packs = 0
  scene.weather.next = request => {
    if (request.url?.endsWith('/packs')) packs += 1
    return packs === 2 ? { kind: 'cut-request', after: 1_500_000 } : next(request)
  }
  const remote = openHttpRemote({ url: scene.weather.url })
  const first = await scene.record(() => pushPending(store, () => remote))
  await store.close()
  scene.weather.next = next
  await settle(scene, first)
  await finish(t, 'cut', scene, first)
})

t.test('after a killed artifact sync', async t => {
  const scene = await setUp(t, 'sync')
  const { home, env } = scene
  const first = await scene.record(async reached => {
    const { child, ended } = startCli(['sync'], { env: { ...env, ARTIFACT_HOME: home } })
    await reached
    child.kill('SIGKILL')
    t.equal((await ended).signal, 'SIGKILL')
  })
  await settle(scene, first)
  await finish(t, 'sync', scene, first)
})

t.test('after a killed artifactd', async t => {
  const scene = await setUp(t, 'daemon')
  const { home, env, cli } = scene
  const first = await scene.record(async reached => {
    const { child, ended } = startArtifactd(t, home, env)
    await reached
    child.kill('SIGKILL')
    t.equal((await ended).signal, 'SIGKILL')
  })
  await settle(scene, first)
  t.notOk(await isSynced(cli))
  await finish(t, 'daemon', scene, first)
})

t.test('after a killed server', async t => {
  const scene = await setUp(t, 'server')
  const { home, env } = scene
  const first = await scene.record(async reached => {
    const { child, ended } = startCli(['sync'], { env: { ...env, ARTIFACT_HOME: home } })
    await reached
    // The client would go on as soon as there is a server again.
    child.kill('SIGKILL')
    await scene.restart()
    await ended
  })
  await finish(t, 'server', scene, first)
})
