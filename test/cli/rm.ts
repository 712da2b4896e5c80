import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeContent, newId } from '../../fixtures/catalog/log-request.js'
import { logFiles } from '../../fixtures/log-files.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { openStore } from '../../src/store/store.js'

const { folder, home } = useHome(t)
const cli = cliIn(folder, home)
const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
t.teardown(() => server.close())
const remote = { ARTIFACT_REMOTE: server.url }
const elsewhere = cliIn(folder, join(folder, 'elsewhere'), remote)
const LARGE = 300_000
const DAY = 24 * 3600 * 1000

interface Row {
  version: string
}
const numbers = (rows: Row[]) => rows.map(({ version }) => version)
const list = async (where: string, run = cli) => numbers((await run(['ls', where, '--json'])).json)

/** Versions of one artifact, each with a file of its own and one that all share, a day apart. */
async function logDaily(name: string, count: number, aliases: Record<number, string> = {}) {
  const store = openStore(home)
  for (let number = 0; number < count; number += 1) {
    const files = {
      own: seededBytes(`${name}${number}`, LARGE),
      shared: seededBytes('shared', LARGE),
    }
    const createdAt = new Date(Date.now() - (count - number - 0.5) * DAY).toISOString()
    const alias = aliases[number]
    await logFiles(store, files, { name, createdAt, ...(alias && { aliases: [alias] }) })
  }
  await store.close()
}

t.test('a dry run says what would go, and which bytes nothing else needs', async t => {
  await logDaily('cats', 6, { 1: 'best' })
  const planned = await cli(['rm', 'p/cats:v2..v3', '--dry-run', '--json'])
  t.match(planned, { code: 0, json: { dryRun: true, kept: [], remoteFreedBytes: null } })
  t.same(numbers(planned.json.versions), ['v2', 'v3'])
  const { freedBytes } = planned.json
  t.ok(freedBytes > 2 * LARGE && freedBytes < 2 * LARGE + 2000, `${freedBytes}`)
  t.match(
    (await cli(['rm', 'p/cats:v2', '--dry-run'])).stdout,
    /^would delete +p\/cats:v2 +586 KiB/,
  )
  t.same(await list('p/cats'), ['v0', 'v1', 'v2', 'v3', 'v4', 'v5'])

  const removed = await cli(['rm', 'p/cats:v2..v3', '--json'])
  t.match(removed, { code: 0, json: { dryRun: false, freedBytes: undefined } })
  t.same(await list('p/cats'), ['v0', 'v1', 'v4', 'v5'])
  const clean = (await cli(['cache', 'clean', '--json'])).json
  t.ok(Math.abs(clean.freedBytes - freedBytes) < 2000, 'what the plan said')
  t.match(await cli(['rm', 'p/cats:v2', '--json']), { code: 3, error: { code: 'VERSION_DELETED' } })
  t.match(await cli(['rm', 'p/cats:v2..v3', '--json']), {
    ...{ code: 3, error: { code: 'VERSION_NOT_FOUND' } },
  })
})

t.test('aliases hold what is named, and nothing of it goes', async t => {
  for (const name of ['p/cats:v0..v4', 'p/cats:best', 'p/cats:v1']) {
    const refused = await cli(['rm', 'p/cats:v0', name, '--json'])
    t.match(refused, { code: 1, error: { code: 'VERSION_HAS_ALIASES' } }, name)
    t.match(refused.error.details, { versions: [{ number: 1, aliases: ['best'] }] })
    t.match(refused.error.hint, /--delete-aliases/)
  }
  t.same(await list('p/cats'), ['v0', 'v1', 'v4', 'v5'])
  const removed = await cli(['rm', 'p/cats:best', 'p/cats:latest', '--delete-aliases'])
  t.match(removed.stdout, /^deleted +p\/cats:v1 .*\ndeleted +p\/cats:v5 .*\n2 versions deleted; /)
  t.match((await cli(['show', 'p/cats', '--json'])).json, { version: 'v4' })
})

t.test('a rule keeps the newest, the latest, and what aliases hold', async t => {
  await logDaily('dogs', 10, { 2: 'best' })
  const rm = async (...args: string[]) => (await cli(['rm', 'p/dogs', ...args, '--json'])).json
  t.same(numbers((await rm('--older-than', '8d', '--dry-run')).versions), ['v0', 'v1'])
  t.same(numbers((await rm('--older-than', '0s', '--dry-run')).versions).length, 8)
  const kept = await rm('--keep', '5', '--older-than', '2d')
  t.same(numbers(kept.versions), ['v0', 'v1', 'v3', 'v4'])
  t.match(kept.kept, [{ version: 'v2', aliases: ['best'] }])
  t.same(await list('p/dogs'), ['v2', 'v5', 'v6', 'v7', 'v8', 'v9'])
  t.same(numbers((await rm('--keep', '3', '--delete-aliases')).versions), ['v2', 'v5', 'v6'])
  const rest = await cli(['rm', 'p/dogs', '--keep', '3'])
  t.match(rest, { code: 0, stdout: 'nothing to delete\n' })
})

t.test('versions that only the remote has are deleted from anywhere', async t => {
  await logDaily('birds', 5)
  t.equal((await cli(['sync'], { env: remote })).code, 0)
  const planned = await elsewhere(['rm', 'p/birds', '--keep', '2', '--dry-run', '--json'])
  t.match(planned.json, { freedBytes: 0, versions: [{ version: 'v0', local: false }] })
  const { remoteFreedBytes } = planned.json
  t.ok(remoteFreedBytes > 3 * LARGE && remoteFreedBytes < 3 * LARGE + 5000, `${remoteFreedBytes}`)
  const args = ['rm', 'p/birds:v0', '--dry-run']
  t.match((await elsewhere(args)).stdout, /would free 0 B here, and a collection 29\d KiB on the/)
  const removed = await elsewhere(['rm', 'p/birds', '--keep', '2', '--json'])
  t.same(numbers(removed.json.versions), ['v0', 'v1', 'v2'])
  t.same(await list('p/birds', elsewhere), ['v3', 'v4'], 'before the remote knows')
  t.match((await elsewhere(['status'])).stdout, /pending +p\/birds +3 versions deleted/)
  const synced = await elsewhere(['sync'])
  t.match(synced, { code: 0, stdout: /p\/birds +3 versions deleted/ })
  t.match(await elsewhere(['get', 'p/birds:v0', '--json']), {
    ...{ code: 3, error: { code: 'VERSION_DELETED' } },
  })
  t.match((await elsewhere(['rm', 'p/birds:v3'])).code, 0)
})

t.test('the latest goes to what is left, wherever that is', async t => {
  writeFileSync(join(folder, 'new.txt'), 'new')
  await logDaily('ants', 3)
  await cli(['sync'], { env: remote })
  // Of none of these anything is here.
  await elsewhere(['rm', 'p/ants:v2'])
  t.match((await elsewhere(['show', 'p/ants', '--json'])).json, { version: 'v1' })
  const put = ['put', 'new.txt', '-n', 'p/ants', '--incremental', '--json']
  t.match((await elsewhere(put)).json, { version: 'v3', fileCount: 3 })
  await elsewhere(['rm', 'p/ants:v0..v3'])
  const none = await elsewhere(['show', 'p/ants', '--json'])
  t.match(none, { code: 3, error: { code: 'VERSION_NOT_FOUND' } })
  t.match((await elsewhere(put)).json, { version: 'v4', fileCount: 1 })
  t.equal((await elsewhere(['sync'])).code, 0)
  t.same(await list('p/ants', elsewhere), ['v4'])
})

t.test('what was never sent leaves its number to be sent', async t => {
  await logDaily('fish', 2)
  await cli(['rm', 'p/fish:v0'])
  const status = await cli(['status'], { env: remote })
  t.match(status.stdout, /pending +p\/fish:v0 +only its number: it is deleted\n/)
  const synced = await cli(['sync'], { env: remote })
  t.match(synced.stdout, /\n1 version synced, 1 change, 0 pending/)
  t.same(await list('p/fish', elsewhere), ['v1'])
})

t.test('what pending aliases name is told by ls, and holds', async t => {
  const env = remote
  await cli(['alias', 'p/birds:v4', 'best'], { env })
  const [row] = (await cli(['ls', 'p/birds', '--json'], { env })).json.slice(-1)
  t.same(row.aliases, ['best', 'latest'])
  t.match(await cli(['rm', 'p/birds:v0..v4', '--json'], { env }), {
    error: { code: 'VERSION_HAS_ALIASES' },
  })
  await cli(['sync'], { env })
  await cli(['alias', 'p/birds:v4', '--remove', 'best'], { env })
  const planned = await cli(['rm', 'p/birds:v3..v4', '--dry-run', '--json'], { env })
  t.match(planned, { code: 0, json: { kept: [] } })
})

t.test('10,000 versions are deleted with at most ten requests', async t => {
  const data = join(folder, 'many')
  const store = openStore(data)
  const logs = Array.from({ length: 10_000 }, (_, index) => {
    const version = makeContent('cats', `${index}`)
    return store.catalog.log({ logId: newId(), version, aliases: [], packs: [], objects: [] })
  })
  await Promise.all(logs)
  await store.close()
  const many = await startServer({ home: data, host: '127.0.0.1', port: 0 })
  t.teardown(() => many.close())
  const third = cliIn(folder, join(folder, 'third'), { ARTIFACT_REMOTE: many.url })
  const removed = await third(['rm', 'p/cats', '--keep', '1', '--json'])
  t.equal(removed.json.versions.length, 9999)
  const synced = await third(['sync', '--json'])
  t.match(synced.json, { pending: 0, failed: [] })
  t.ok(synced.json.requests <= 10, `${synced.json.requests}`)
  t.same(await list('p/cats', third), ['v9999'])
})

t.test('what names no version, or too much, is refused', async t => {
  const refused: [args: string[], code: string][] = [
    [['p/cats'], 'USAGE'],
    [['p/cats:v1', '--keep', '2'], 'USAGE'],
    [['p/cats:v3..v1'], 'INVALID_REFERENCE'],
    [['p/cats@12', '--json'], 'INVALID_REFERENCE'],
    [['p/no', '--keep', '2'], 'ARTIFACT_NOT_FOUND'],
    [['p/no:v1..v2'], 'VERSION_NOT_FOUND'],
  ]
  for (const [args, code] of refused) {
    t.match((await cli(['rm', ...args, '--json'])).error, { code }, args.join(' '))
  }
  t.match((await cli(['rm', 'p/cats'])).stderr, /p\/cats:vN\.\.vM, --older-than or --keep/)
  t.equal((await cli(['rm', 'p/cats', '--older-than', 'long'])).code, 2)
  t.equal((await cli(['rm', 'p/cats', '--keep', '0'])).code, 2)
})
