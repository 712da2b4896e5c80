import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'

const { folder } = useHome(t, { 'a.txt': 'a' })
const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
t.teardown(() => server.close())
const remote = { ARTIFACT_REMOTE: server.url }
const one = cliIn(folder, join(folder, 'one'), remote)
const two = cliIn(folder, join(folder, 'two'), remote)

t.test('aliases, tags, description and metadata from the shell', async t => {
  await one(['put', 'a.txt', '-n', 'p/cats', '-a', 'old'])
  const aliases = await one(['alias', 'p/cats:v0', 'best', 'prod', '--remove', 'old', '--json'])
  t.match(aliases, { code: 0, json: { aliases: ['best', 'latest', 'prod'], version: 'v0' } })
  t.match((await one(['tag', 'p/cats:best', 'a b', 'c'])).stdout, /p\/cats:v0[\s\S]*tags +a b, c/)
  t.match((await one(['tag', 'p/cats', '--remove', 'c', '--json'])).json, { tags: ['a b'] })
  writeFileSync(join(folder, 'metadata.json'), '{"n": 1}')
  const edit = ['edit', 'p/cats', '-d', 'text', '--metadata', '@metadata.json', '--json']
  t.match((await one(edit)).json, { description: 'text', metadata: { n: 1 } })
  t.match((await one(['edit', 'p/cats', '-d', '', '--json'])).json, { description: null })
  t.match((await one(['status'])).stdout, /pending +p\/cats:v0 +edited/)
  const sync = await one(['sync', '--json'])
  t.match(sync, { code: 0, json: { pending: 0, failed: [], requests: 4 } })
  t.match((await two(['show', 'p/cats:prod', '--json'])).json, {
    ...{ aliases: ['best', 'latest', 'prod'], tags: ['a b'], metadata: { n: 1 }, conflicts: [] },
  })
})

t.test('a conflict is shown by sync, show and status until it is edited again', async t => {
  await two(['get', 'p/cats', '--root', 'out'])
  await one(['edit', 'p/cats', '-d', 'of one'])
  await two(['edit', 'p/cats:v0', '-d', 'of two'])
  await one(['sync'])
  const said = /description: replaced "of one", set by another since/
  t.match((await two(['sync'])).stdout, said)
  t.match((await two(['show', 'p/cats'])).stdout, said)
  const status = await two(['status'])
  t.match(status.stdout, said)
  t.equal(status.code, 0)
  const [conflict] = (await two(['status', '--json'])).json.conflicts
  t.match(conflict, { project: 'p', name: 'cats', field: 'description', found: 'of one' })
  await two(['edit', 'p/cats:v0', '-d', 'of both'])
  t.match((await two(['status', '--json'])).json, { pending: 1, conflicts: [] })
})

t.test('what was changed is shown at once, before the remote knows it', async t => {
  await one(['put', 'a.txt', '-n', 'p/dogs', '-a', 'old'])
  await one(['sync'])
  const three = cliIn(folder, join(folder, 'three'), remote)
  for (const cli of [one, three]) {
    await cli(['edit', 'p/dogs:v0', '-d', 'new'])
    await cli(['tag', 'p/dogs:v0', 'x'])
    await cli(['alias', 'p/dogs:v0', 'best', '--remove', 'old'])
    const aliases = ['best', 'latest']
    for (const name of ['p/dogs:v0', 'p/dogs']) {
      const { json } = await cli(['show', name, '--json'])
      t.match(
        { ...json, aliases: json.aliases.sort() },
        { description: 'new', tags: ['x'], aliases },
      )
    }
    const [row] = (await cli(['ls', 'p/dogs', '--json'])).json
    t.match({ ...row, aliases: row.aliases.sort() }, { description: 'new', tags: ['x'], aliases })
  }
  const synced = await one(['sync'])
  t.match(
    synced.stdout,
    /^synced {2}p\/dogs:v0 {2}\(edited\)\n0 versions synced, 3 changes, 0 pending/,
  )
})

t.test('what describes a version is asked for, also of one that is here', async t => {
  await one(['edit', 'p/dogs:v0', '-d', 'newer'])
  await one(['sync'])
  await two(['get', 'p/dogs:v0', '--root', 'dogs'])
  await one(['edit', 'p/dogs:v0', '-d', 'newest'])
  await one(['sync'])
  const { json } = await two(['show', 'p/dogs:v0', '--json'])
  t.match(json, { description: 'newest', resolved: 'remote' })
  const offline = await two(['show', 'p/dogs:v0', '--json'], { env: { ARTIFACT_MODE: 'offline' } })
  t.match(offline.json, { description: 'newest', resolved: 'local' })
  await two(['edit', 'p/dogs:v0', '-d', 'of two'])
  t.match((await two(['sync', '--json'])).json.synced, [{ kind: 'edit', conflicts: undefined }])
})

t.test('what is reserved, and nothing to do, are errors', async t => {
  const reserved = await one(['alias', 'p/cats', 'latest', '--json'])
  t.match(reserved, { code: 2, error: { code: 'INVALID_ALIAS' } })
  const taken = await one(['alias', 'p/cats', '--remove', 'v0', '--json'])
  t.match(taken, { code: 2, error: { code: 'INVALID_ALIAS' } })
  t.match(await one(['edit', 'p/cats', '--json']), { code: 2, error: { code: 'USAGE' } })
  const both = await one(['tag', 'p/cats', 'x', '--remove', 'x', '--json'])
  t.match(both, { code: 2, error: { code: 'USAGE' } })
  t.match(await one(['alias', 'p/none', 'x', '--json']), { code: 3 })
})
