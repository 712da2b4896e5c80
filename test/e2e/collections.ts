import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder } = useHome(t)

/** A machine: a home of its own. */
const machine = (name: string, remote: string) =>
  cliIn(folder, join(folder, name), { ARTIFACT_REMOTE: remote })

t.test('several collections reach the other machine', async t => {
  const server = await serveProcess(t, join(folder, 'data-many'))
  const one = machine('many-one', server.url)
  const two = machine('many-two', server.url)
  const names = ['p/cats', 'p/dogs', 'q/cats']
  for (const name of names) {
    for (const number of [0, 1]) {
      writeFileSync(join(folder, 'many.txt'), `${name} ${number}`)
      await one(['put', 'many.txt', '-n', name])
    }
  }
  t.equal((await one(['sync', '--json'])).json.synced.length, 6)
  for (const name of names) {
    for (const number of [0, 1]) {
      const get = await two(['get', `${name}:v${number}`, '--root', 'many', '--json'])
      t.match(get.json, { version: `v${number}` }, name)
      t.same((await two(['verify', `${name}:v${number}`, '--root', 'many', '--json'])).code, 0)
    }
  }
})

t.test('a number is provisional until the remote gave it', async t => {
  const server = await serveProcess(t, join(folder, 'data-numbers'))
  const one = machine('numbers-one', server.url)
  const two = machine('numbers-two', server.url)
  writeFileSync(join(folder, 'many.txt'), 'first')
  await one(['put', 'many.txt', '-n', 'p/cats', '--wait'])
  await two(['get', 'p/cats', '--root', 'many'])
  writeFileSync(join(folder, 'many.txt'), 'from the second machine')
  const mine = (await two(['put', 'many.txt', '-n', 'p/cats', '--wait', '--json'])).json
  t.match(mine, { version: 'v1', state: 'synced' })
  writeFileSync(join(folder, 'many.txt'), 'from the first machine')
  const provisional = (await one(['put', 'many.txt', '-n', 'p/cats', '--json'])).json
  t.match(provisional, { version: 'v1', state: 'pending' }, 'it cannot know of the other')
  t.match((await one(['sync', '--json'])).json.synced, [{ number: 2, id: provisional.id }])
  const renumbered = await one(['get', 'p/cats:v1', '--json'])
  t.match(renumbered.error, { code: 'VERSION_RENUMBERED', message: new RegExp(provisional.id) })
  t.match((await one(['show', `p/cats@${provisional.id}`, '--json'])).json, { version: 'v2' })
  t.match((await two(['show', 'p/cats', '--json'])).json, { id: provisional.id, version: 'v2' })
})

t.test('what the remote refuses is told, and fails alone', async t => {
  const server = await serveProcess(t, join(folder, 'data-refused'))
  const one = machine('refused-one', server.url)
  const two = machine('refused-two', server.url)
  writeFileSync(join(folder, 'many.txt'), 'typed')
  const typed = await two(['put', 'many.txt', '-n', 'q/new', '-t', 'model', '--wait', '--json'])
  t.equal(typed.code, 0)
  await one(['put', 'many.txt', '-n', 'q/new', '-t', 'dataset'])
  const refused = await one(['sync', '--json'])
  t.equal(refused.code, 5)
  t.match(refused.json.failed, [{ name: 'new', error: { code: 'TYPE_CONFLICT' } }])
  const status = (await one(['status', '--json'])).json
  t.match(status, { failed: 1, versions: [{ state: 'failed', error: { code: 'TYPE_CONFLICT' } }] })
  const waits = await one(['put', 'many.txt', '-n', 'q/new', '-t', 'dataset', '--wait', '--json'])
  t.match(waits.error, { code: 'TYPE_CONFLICT' })
})
