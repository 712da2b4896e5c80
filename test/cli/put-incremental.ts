import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { cliIn, startCli } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder, home } = useHome(t, {
  cats: { 'a.txt': 'a', deep: { 'b.txt': 'b', 'c.txt': 'c' } },
  more: { 'a.txt': 'other', deep: { 'd.txt': 'd' } },
  'one.txt': 'one',
})
const cli = cliIn(folder, home)
const get = async (name: string) => {
  const { json } = await cli(['get', name, '--root', join('out', name), '--json'])
  return hashTree(json.root).map(([path]) => path)
}

t.test('files are added to the latest version, replaced in it and taken out of it', async t => {
  await cli(['put', 'cats', '-n', 'p/cats'])
  const merged = await cli(['put', 'more', '-n', 'p/cats', '--incremental', '--json'])
  t.match(merged, { code: 0, json: { version: 'v1', fileCount: 4, unchanged: false } })
  t.same(await get('p/cats:v1'), ['a.txt', 'deep/b.txt', 'deep/c.txt', 'deep/d.txt'])
  const args = ['put', '-n', 'p/cats', '--incremental', '--json']
  const removed = await cli([...args, '--remove', 'deep/b.txt', '--remove', 'a.txt'])
  t.match(removed, { code: 0, json: { version: 'v2', fileCount: 2 } })
  t.same(await get('p/cats:v2'), ['deep/c.txt', 'deep/d.txt'])
  const replaced = await cli([...args, 'one.txt=deep/one.txt', '--remove', 'deep'])
  t.match(replaced, { code: 0, json: { version: 'v3', fileCount: 1 } })
  t.same(await get('p/cats:v3'), ['deep/one.txt'])
  const same = await cli([...args, 'one.txt=deep/one.txt'])
  t.match(same, { code: 0, json: { version: 'v3', unchanged: true } })
})

t.test('what cannot be done is refused', async t => {
  const refused = async (args: string[]) => (await cli(['put', ...args, '--json'])).error
  t.match(await refused(['-n', 'p/cats', '--incremental', '--remove', 'nowhere']), {
    ...{ code: 'ENTRY_NOT_FOUND', details: { path: 'nowhere' } },
  })
  for (const args of [
    [],
    ['-n', 'p/cats', '--incremental'],
    ['--incremental', '--remove', 'x'],
    ['cats', '-n', 'p/cats', '--remove', 'x'],
    ['cats', '-n', 'p/cats', '--incremental', '--upsert', '--group', 'g'],
  ]) {
    t.match(await refused(args), { code: 'USAGE' }, args.join(' '))
  }
  t.match(await refused(['cats=x', 'more=x', '-n', 'p/cats', '--incremental']), {
    ...{ code: 'ENTRY_CONFLICT', details: { path: 'x/a.txt' } },
  })
})

t.test('processes that add at once keep what the others added', async t => {
  const WRITERS = 6
  for (let n = 0; n < WRITERS; n += 1) writeFileSync(join(folder, `${n}.bin`), `${n}`)
  const env = { ARTIFACT_HOME: home }
  const writers = Array.from({ length: WRITERS }, (_, n) => {
    const args = ['put', `${n}.bin`, '-n', 'p/shared', '--incremental']
    return startCli(args, { cwd: folder, env })
  })
  for (const { ended } of writers) t.match(await ended, { code: 0 })
  const shown = await cli(['show', 'p/shared', '--json'])
  t.match(shown.json, { version: `v${WRITERS - 1}`, fileCount: WRITERS })
})
