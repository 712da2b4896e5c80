import { appendFileSync, chmodSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder, home } = useHome(t, {
  'a.txt': 'a',
  'b.txt': 'b',
  tree: { x: 'x', y: 'y', z: 'z' },
})
const cli = cliIn(folder, home)

t.test('an empty store lists nothing', async t => {
  t.same((await cli(['ls', '--json'])).json, [])
  const { code, stdout } = await cli(['ls'])
  t.match({ code, stdout }, { code: 0, stdout: 'no versions\n' })
})

t.test('ls filters by project, name, entity and type', async t => {
  const puts = [
    ['a.txt', '-n', 'p/cats', '-a', 'best'],
    ['b.txt', '-n', 'p/cats'],
    ['a.txt', '-n', 'p/dogs', '-t', 'model'],
    ['a.txt', '-n', 'q/cats'],
    ['a.txt', '-n', 'me/p/cats'],
  ]
  for (const args of puts) t.equal((await cli(['put', ...args])).code, 0)
  const list = async (...args: string[]): Promise<string[]> =>
    (await cli(['ls', ...args, '--json'])).json.map(
      (row: Record<string, string>) => `${row.project}/${row.name}:${row.version}`,
    )
  t.same(await list(), ['p/cats:v0', 'p/cats:v1', 'p/dogs:v0', 'q/cats:v0'])
  t.same(await list('p'), ['p/cats:v0', 'p/cats:v1', 'p/dogs:v0'])
  t.same(await list('p/'), ['p/cats:v0', 'p/cats:v1', 'p/dogs:v0'])
  t.same(await list('p/cats'), ['p/cats:v0', 'p/cats:v1'])
  t.same(await list('me/p/cats'), ['p/cats:v0'])
  t.same(await list('-t', 'model'), ['p/dogs:v0'])
  t.same(await list('q', '-t', 'model'), [])
  t.same(await list('nowhere'), [])
  const env = { ARTIFACT_ENTITY: 'me' }
  t.equal((await cli(['ls', '--json'], { env })).json.length, 1)
  const refused: [where: string, code: string][] = [
    ['a/b/c/d', 'INVALID_REFERENCE'],
    ['p/a b', 'INVALID_NAME'],
  ]
  for (const [where, code] of refused) {
    const failed = await cli(['ls', where, '--json'])
    t.match({ exit: failed.code, error: failed.error }, { exit: 2, error: { code } }, where)
  }

  const [first] = (await cli(['ls', 'p/cats', '--json'])).json
  t.match(first, {
    entity: 'default',
    id: /^[0-9a-f]{32}$/,
    type: 'dataset',
    version: 'v0',
    size: 1,
    fileCount: 1,
    aliases: ['best'],
    state: 'pending',
    local: true,
  })
  t.match(
    (await cli(['ls', 'p/cats'])).stdout,
    /^NAME .*\np\/cats:v0 +dataset +1 B +pending .* best\n/,
  )
})

t.test('show prints a version with what describes it', async t => {
  const metadata = '{"split":"train","parts":[1,2]}'
  await cli(['put', 'a.txt', '-n', 'p/shown', '-d', 'two words', '--metadata', metadata])
  const { json } = await cli(['show', 'p/shown', '--json'])
  t.match(json, {
    entity: 'default',
    project: 'p',
    name: 'shown',
    version: 'v0',
    description: 'two words',
    metadata: { split: 'train', parts: [1, 2] },
    aliases: ['latest'],
    tags: [],
    state: 'pending',
    resolved: 'local',
    asOf: null,
  })
  const text = (await cli(['show', 'p/shown'])).stdout
  for (const part of ['default/p/shown:v0', json.id, 'two words', '"split":"train"', 'pending']) {
    t.ok(text.includes(part), part)
  }
})

t.test('verify names what differs, is missing or is extra in a folder', async t => {
  await cli(['put', 'tree', '-n', 'p/tree'])
  const { root } = (await cli(['get', 'p/tree', '--json'])).json
  const good = await cli(['verify', 'p/tree', '--root', root, '--json'])
  t.match(good, { code: 0, json: { files: 3, bytes: 3, problems: [] } })
  writeFileSync(join(root, 'x'), 'X')
  rmSync(join(root, 'y'))
  writeFileSync(join(root, 'extra'), '')
  const bad = await cli(['verify', 'p/tree', '--root', root, '--json'])
  t.equal(bad.code, 1)
  t.same(
    bad.json.problems.map(({ path, problem }: Record<string, string>) => `${problem} ${path}`),
    ['extra extra', 'differs x', 'missing y'],
  )
  const text = await cli(['verify', 'p/tree', '--root', root])
  t.equal(text.code, 1)
  t.match(text.stdout, /extra {2}extra .*\ndiffers {2}x .*\nmissing {2}y .*\n.*3 problems/)
  const nowhere = await cli(['verify', 'p/tree', '--root', 'nowhere', '--json'])
  t.match(
    { code: nowhere.code, error: nowhere.error },
    { code: 3, error: { code: 'FILE_NOT_FOUND' } },
  )
})

t.test('verify and get name what is damaged in the store', async t => {
  const damaged = cliIn(folder, join(folder, 'home-damaged'))
  await damaged(['put', 'tree', '-n', 'p/tree'])
  const packs = join(folder, 'home-damaged/packs')
  for (const name of readdirSync(packs, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.pack')) continue
    chmodSync(join(packs, name), 0o600)
    rmSync(join(packs, name))
    appendFileSync(join(packs, name), 'not a pack')
  }
  const { code, stdout, stderr } = await damaged(['verify', 'p/tree', '--json'])
  t.equal(code, 1)
  t.match(stdout + stderr, /BLOB_DAMAGED|BLOB_MISSING|damaged|missing/)
  const got = await damaged(['get', 'p/tree', '--root', 'out', '--json'])
  t.equal(got.code, 1)
  t.match(got.error.code, /^BLOB_/)
})
