import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { serveFiles } from '../../fixtures/references/serve-files.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { useHome } from '../../fixtures/use-home.js'

t.test('references travel; their bytes never pass through the server', async t => {
  const { server, served } = await serveStores(t)
  const { folder, home } = useHome(t, { 'local.txt': 'local' })
  const content = `the bytes ${'x'.repeat(300_000)}`
  const origin = await serveFiles(t, { 'data/a.bin': content, 'data/b': 'bee' })
  const remote = { ARTIFACT_REMOTE: server.url }
  const here = cliIn(folder, home, remote)
  const put = await here([
    ...['put', 'local.txt', `${origin.url}/data/a.bin`, `${origin.url}/data/b=renamed/b`],
    ...['-n', 'p/refs', '--wait', '--json'],
  ])
  t.equal(put.code, 0, put.stderr)
  t.match(put.json, { state: 'synced', fileCount: 3, size: 5 + content.length + 3 })

  origin.requests.length = 0
  const there = cliIn(folder, join(folder, 'home2'), remote)
  const get = await there(['get', 'p/refs', '--root', 'out', '--json'])
  t.equal(get.code, 0, get.stderr)
  t.match(get.json, { fileCount: 3, missingReferences: [] })
  t.ok(get.json.downloadedBytes < 2000, 'the server gave the manifest and the file')
  t.equal(readFileSync(join(folder, 'out/a.bin'), 'utf8'), content)
  t.equal(readFileSync(join(folder, 'out/renamed/b'), 'utf8'), 'bee')
  t.equal(readFileSync(join(folder, 'out/local.txt'), 'utf8'), 'local')
  t.same(
    origin.requests.sort(),
    ['GET /data/a.bin', 'GET /data/b'],
    'they came from where they are',
  )
  const { items } = await served.catalog.listVersions({})
  t.match(items, [{ fileCount: 3 }])

  const verified = await there(['verify', 'p/refs', '--root', 'out', '--json'])
  t.equal(verified.code, 0, verified.stderr)
  origin.files['data/b'] = 'changed'
  const changed = await there(['verify', 'p/refs', '--json'])
  t.match(changed, { code: 1, json: { problems: [{ path: 'renamed/b', problem: 'differs' }] } })

  const third = cliIn(folder, join(folder, 'home3'), remote)
  const refused = await third(['get', 'p/refs', '--root', 'out3', '--json'])
  t.match(refused, { code: 1, error: { code: 'REFERENCE_CHANGED', message: /renamed\/b/ } })
  const partial = await third(['get', 'p/refs', '--root', 'out3', '--allow-missing-references'])
  t.equal(partial.code, 0, partial.stderr)
  t.match(partial.stderr, /left out: renamed\/b/)
})

t.test('put with URIs: where "=" is a part of them, limits, and secrets', async t => {
  const { folder, home } = useHome(t, { files: { a: '1', b: '2' }, 'dt=1': { c: '3' } })
  const origin = await serveFiles(t, { 'dt=1/part': 'one', 'x.csv': 'two' })
  const put = cliIn(folder, home)
  const paths = async (...args: string[]) => {
    const { code, stderr, json } = await put(['put', ...args, '--json'])
    t.equal(code, 0, stderr)
    const { id } = json
    const root = join(folder, 'out', id)
    await put(['get', `${json.project}/${json.name}@${id}`, '--root', root, '--json'])
    const { readdirSync } = await import('node:fs')
    const names = readdirSync(root, { recursive: true, withFileTypes: true })
    return names
      .filter(one => one.isFile())
      .map(one => join(one.parentPath, one.name).slice(root.length + 1))
  }
  t.same(await paths(`${origin.url}/dt=1/part`), ['part'])
  t.same(await paths(`${origin.url}/dt=1/part=n/m`, '-n', 'p/a'), ['n/m'])
  t.same(await paths(`${origin.url}/x.csv`, '-n', 'p/b'), ['x.csv'])
  t.same(await paths(`file://${folder}/files=f`, '-n', 'p/c'), ['f/a', 'f/b'])
  t.same(await paths(`file://${folder}/dt=1`, '-n', 'p/d'), ['c'])
  const named = await put(['put', `${origin.url}/x.csv`, '--json'])
  t.equal(named.json.name, 'x.csv', 'the default name')
  const other = await put(['put', 'hdfs://host/dt=1/x=x', '-n', 'p/e', '--json'])
  t.equal(other.code, 0, other.stderr)

  const limited = await put(['put', `file://${folder}/files`, '--max-objects', '1', '--json'])
  t.match(limited, { code: 1, error: { code: 'TOO_MANY_OBJECTS' } })
  const unasked = await put(['put', 'https://nowhere.invalid/f', '--no-checksum', '--json'])
  t.equal(unasked.code, 0, unasked.stderr)
  for (const [args, code] of [
    [['--max-objects', '0'], 2],
    [['--max-objects', 'many'], 2],
  ] as const) {
    t.equal((await put(['put', `file://${folder}/files`, ...args])).code, code)
  }
  const secret = await put(['put', 'https://user:s3cr3t@host/x=n'])
  t.equal(secret.code, 2)
  t.match(secret.stderr, /URI_HAS_CREDENTIALS/)
  t.notMatch(secret.stderr, /s3cr3t/)
  const none = await put(['put', `${origin.url}/a=b`, '--json'])
  t.match(none, { code: 3, error: { code: 'REFERENCE_NOT_FOUND' } })
})
