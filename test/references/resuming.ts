import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { codeOf } from '../../fixtures/references/list-references.js'
import { startCli } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { Artifact } from '../../src/index.js'
import { homePaths } from '../../src/model/home.js'

const BODY = Buffer.alloc(3_000_000, 'a body that is downloaded in parts ')
const FIRST = 1_000_000

/** Serves BODY with ranges; while `stalls`, a request gets no byte from FIRST on. */
async function serve(t: Test) {
  const served = { url: '', starts: [] as number[], stalls: true, etag: '"body"' }
  const server = createServer((request, response) => {
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
    const start = Number(range?.[1] ?? 0)
    served.starts.push(start)
    if (request.headers['if-match'] && request.headers['if-match'] !== served.etag) {
      response.writeHead(412).end()
      return
    }
    response.writeHead(range ? 206 : 200, {
      etag: served.etag,
      'content-length': BODY.length - start,
      ...(range && { 'content-range': `bytes ${start}-${BODY.length - 1}/${BODY.length}` }),
    })
    if (served.stalls) response.write(BODY.subarray(start, FIRST))
    else response.end(BODY.subarray(start))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  served.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/body`
  return served
}

async function setUp(t: Test) {
  const { folder, home } = useHome(t)
  const served = await serve(t)
  const artifact = new Artifact({ name: 'refs', type: 'dataset' })
  await artifact.addReference(served.url)
  const logged = await artifact.save({ project: 'p' })
  served.starts.length = 0
  const { tmp } = homePaths(home)
  const begun = () => {
    const files = readdirSync(tmp, { recursive: true, withFileTypes: true })
    return files
      .filter(one => one.isFile() && !/^writer\./.test(one.name))
      .map(one => join(one.parentPath, one.name))
  }
  /** Until the first part of the body lies in a file. */
  const sawFirst = () => waitUntil(async () => begun().some(file => statSync(file).size === FIRST))
  /** Downloads until the first part is there, and is cancelled then. */
  const interrupt = async () => {
    const controller = new AbortController()
    const { signal } = controller
    const download = codeOf(logged.download({ root: join(folder, 'out'), signal }))
    await sawFirst()
    controller.abort()
    t.equal(await download, 'INTERRUPTED')
    served.starts.length = 0
  }
  const finish = async () => {
    served.stalls = false
    const root = await logged.download({ root: join(folder, 'out') })
    t.ok(readFileSync(join(root, 'body')).equals(BODY))
    t.same(begun(), [], 'nothing is left of it')
  }
  return { folder, home, tmp, served, begun, sawFirst, interrupt, finish, logged }
}

t.test('a download whose process is killed goes on in the next one', async t => {
  const { folder, home, served, sawFirst, finish } = await setUp(t)
  const root = join(folder, 'out')
  const env = { ARTIFACT_HOME: home }
  const { child, ended } = startCli(['get', 'p/refs', '--root', root], { env })
  await sawFirst()
  child.kill('SIGKILL')
  t.equal((await ended).signal, 'SIGKILL')
  t.notOk(existsSync(root))
  await finish()
  t.same(served.starts, [0, FIRST])
})

t.test('a download that was cancelled goes on in the next call', async t => {
  const { served, interrupt, finish } = await setUp(t)
  await interrupt()
  await finish()
  t.same(served.starts, [FIRST])
})

t.test('what is begun is taken by one of two downloads', async t => {
  const { folder, served, logged, interrupt } = await setUp(t)
  await interrupt()
  served.stalls = false
  const roots = ['one', 'two'].map(name => join(folder, name))
  await Promise.all(roots.map(root => logged.download({ root })))
  for (const root of roots) t.ok(readFileSync(join(root, 'body')).equals(BODY))
  t.same(served.starts.sort(), [0, FIRST])
})

t.test('an object that changed meanwhile is not mixed', async t => {
  const { folder, served, begun, logged, interrupt } = await setUp(t)
  await interrupt()
  served.etag = '"other"'
  t.equal(await codeOf(logged.download({ root: join(folder, 'out') })), 'REFERENCE_CHANGED')
  t.same(begun(), [], 'and what was begun is dropped')
})

t.test('from before the machine was started nothing is taken', async t => {
  const { served, begun, interrupt, finish } = await setUp(t)
  await interrupt()
  const [file] = begun()
  writeFileSync(file!, Buffer.alloc(FIRST))
  utimesSync(file!, 1, 1)
  await finish()
  t.same(served.starts, [0])
})

t.test('begun files are dropped after a week', async t => {
  const { folder, home, tmp, served, begun, interrupt } = await setUp(t)
  await interrupt()
  const old = join(tmp, 'begun', 'f'.repeat(64))
  writeFileSync(old, 'old')
  const eightDays = Date.now() / 1000 - 8 * 24 * 3600
  utimesSync(old, eightDays, eightDays)
  served.stalls = false
  writeFileSync(join(folder, 'file'), 'x')
  const options = { cwd: folder, env: { ARTIFACT_HOME: home } }
  t.equal((await startCli(['put', 'file', '-n', 'p/other'], options).ended).code, 0)
  t.equal(begun().length, 1)
  t.notOk(existsSync(old))
})
