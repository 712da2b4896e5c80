import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, init } from '../../src/index.js'

const { folder } = useHome(t)
const data = join(folder, 'server')
const serve = (port = 0) => serveProcess(t, data, { port })
let server = await serve()
const env = { ARTIFACT_REMOTE: server.url }
const oneHome = join(folder, 'one')
const one = cliIn(folder, oneHome, env)
const two = cliIn(folder, join(folder, 'two'), env)
const offline = { env: { ARTIFACT_MODE: 'offline' } }
const LARGE = 300_000
const gone = { code: 3, error: { code: 'VERSION_DELETED' } }

type Row = { version: string }
const numbers = (rows: Row[]) => rows.map(({ version }) => version)

async function put(content: string) {
  writeFileSync(join(folder, 'a.bin'), seededBytes(content, LARGE))
  const { json } = await one(['put', 'a.bin', '-n', 'p/cats', '--wait', '--json'])
  return json.version
}

t.test('a second store meets the deletion when it lists, and frees the bytes', async t => {
  for (const content of ['a', 'b', 'c', 'd']) await put(content)
  for (const number of [0, 1, 3]) await two(['get', `p/cats:v${number}`, '--root', `out${number}`])
  await one(['rm', 'p/cats:v1', 'p/cats:v3'])
  t.equal((await one(['sync'])).code, 0)
  const got = await two(['get', 'p/cats:v1', '--root', 'out1'])
  t.equal(got.code, 0, 'a number that is here is answered here')

  const listed = await two(['ls', 'p/cats', '--json'])
  t.same(numbers(listed.json), ['v0', 'v2'])
  const { stderr } = await one(['ls', 'p/cats'])
  t.equal(stderr, '', 'who deleted it knows')
  t.match(await two(['show', 'p/cats:v1', '--json'], offline), gone)
  t.match(await two(['get', 'p/cats:v3', '--json']), gone)
  t.match((await two(['show', 'p/cats', '--json'])).json, { version: 'v2' })
  const { freedBytes } = (await two(['cache', 'clean', '--json'])).json
  t.ok(freedBytes >= 2 * LARGE, `${freedBytes}`)
})

t.test('what is deleted there is told once', async t => {
  await two(['get', 'p/cats:v2', '--root', 'out2'])
  await one(['rm', 'p/cats:v2'])
  await one(['sync'])
  const first = await two(['ls', 'p/cats'])
  t.match(first.stderr, /deleted on the remote: p\/cats v2; `artifact cache clean` frees/)
  t.equal((await two(['ls', 'p/cats'])).stderr, '')
})

t.test('the server frees the bytes, and gives no number twice', async t => {
  t.equal(await put('e'), 'v4')
  await one(['rm', 'p/cats:v4'])
  await one(['sync'])
  await server.stop()
  // What a client was told to be there is held for it while the server runs.
  const collected = await one(['server', 'collect', '--data', data, '--json'])
  t.ok(collected.json.freedBytes >= 3 * LARGE, `${collected.json.freedBytes}`)
  // Journal and packs are all that counts.
  rmSync(join(data, 'catalog'), { recursive: true })
  rmSync(join(oneHome, 'catalog'), { recursive: true })
  const { port } = new URL(server.url)
  server = await serve(Number(port))
  t.equal(await put('e'), 'v5', 'the same content again')
  t.match(await two(['get', 'p/cats:v4', '--json']), gone)
  t.same(numbers((await two(['ls', 'p/cats', '--json'])).json), ['v0', 'v5'])
})

t.test('lineage shows what was deleted, also to who never had it', async t => {
  t.teardown(() => sharedStore(oneHome).close())
  const run = await init({ project: 'p', home: oneHome, remote: server.url, jobType: 'train' })
  await run.useArtifact('cats:v0')
  const artifact = new Artifact({ name: 'model', type: 'model', home: oneHome })
  await artifact.newFile('m.txt', 'm')
  const logged = run.logArtifact(artifact)
  await run.finish({ wait: true })
  await logged.delete()
  t.same(await run.loggedArtifacts(), [], 'before the remote knows')
  await one(['sync'])
  t.same(await run.loggedArtifacts(), [])
  await one(['rm', 'p/cats:v0'])
  t.same((await logged.usedBy()).length, 0)
  await one(['sync'])
  const three = cliIn(folder, join(folder, 'three'), env)
  for (const cli of [one, two, three]) {
    const { stdout } = await cli(['lineage', 'p/model:v0'])
    t.match(
      stdout,
      /^p\/model:v0 {2}\(deleted\)\nupstream\n.* run p\/.*\n.* p\/cats:v0 {2}\(deleted\)/,
    )
    const { json } = await cli(['lineage', 'p/cats:v0', '--json'])
    t.match(json, { root: json.nodes[0].id, nodes: [{ state: 'deleted' }, { state: 'deleted' }] })
    t.equal(json.edges.length, 2)
  }
})
