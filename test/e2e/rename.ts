import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder } = useHome(t)

t.test('a name that has another type on the server: rename, and nothing is sent twice', async t => {
  const server = await serveProcess(t, join(folder, 'data'))
  const env = { ARTIFACT_REMOTE: server.url, ARTIFACT_PROJECT: 'p' }
  const here = cliIn(folder, join(folder, 'here'), env)
  const other = cliIn(folder, join(folder, 'other'), env)
  const put = async (cli: typeof here, text: string, ...args: string[]) => {
    writeFileSync(join(folder, 'a.txt'), text)
    const { code, stderr } = await cli(['put', 'a.txt', ...args])
    if (code !== 0) throw new Error(stderr)
  }
  await put(other, 'theirs', '-n', 'cats', '-t', 'model')
  await other(['sync'])
  await put(here, 'one', '-n', 'cats', '-t', 'dataset', '-a', 'best')
  await put(here, 'two', '-n', 'cats')

  const refused = await here(['sync', '--json'])
  t.equal(refused.code, 5)
  const [failed] = refused.json.failed
  t.match(failed.error, { code: 'TYPE_CONFLICT', details: { type: 'model', given: 'dataset' } })
  t.match(failed.error.message, /"p\/cats" has the type "model", not "dataset"/)
  t.match(refused.json, { synced: [], pending: 1, sentBytes: 0 }, 'it is told before bytes go')

  t.match((await here(['status'])).stdout, /artifact sync --rename p\/cats=NEW/)
  for (const [form, code] of [
    ['cats', 'USAGE'],
    ['cats=a/b', 'INVALID_NAME'],
    ['dogs=mine', 'RENAME_REFUSED'],
  ] as const) {
    t.equal((await here(['sync', '--rename', form, '--json'])).error.code, code, form)
  }
  rmSync(join(folder, 'a.txt'))
  const args = ['sync', '--rename', 'cats=felines', '--json']
  const renamed = await here(args)
  t.equal(renamed.code, 0, renamed.stderr)
  t.match(renamed.json, { renamed: 2, failed: [], pending: 0 })
  t.match(renamed.json.synced, [
    { name: 'felines', number: 0 },
    { name: 'felines', number: 1 },
  ])
  t.match(await here(args), { code: 0, json: { renamed: 0, synced: [] } }, 'once more')

  // The index is a function of the journal.
  rmSync(join(folder, 'here', 'catalog'), { recursive: true })
  const list = async (cli: typeof here, name: string) =>
    (await cli(['ls', `p/${name}`, '--json'])).json.map((version: object) => version)
  t.match(await list(here, 'felines'), [{ aliases: ['best'] }, { aliases: ['latest'] }])
  t.match(await list(other, 'felines'), [{ aliases: ['best'] }, { aliases: ['latest'] }])
  t.match(await list(here, 'cats'), [{ type: 'model' }], 'and theirs can be had under that name')
})
