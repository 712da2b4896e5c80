import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'
import { init } from '../../src/index.js'

const { folder, home } = useHome(t)
const large = Buffer.alloc(900_000, 'large ')
writeFileSync(join(folder, 'large.bin'), large)

t.test('links need a synced version, and an edit through one is never logged as good', async t => {
  const server = await serveProcess(t, join(folder, 'data'))
  const cli = cliIn(folder, home, { ARTIFACT_REMOTE: server.url })
  const put = () => cli(['put', 'large.bin', '-n', 'p/large', '--json'])
  t.equal((await put()).code, 0)
  for (const link of ['hardlink', 'symlink']) {
    const refused = await cli(['get', 'p/large:v0', '--root', 'early', '--link', link, '--json'])
    t.match(refused, { code: 1, error: { code: 'LINK_REFUSED', message: /not synced/ } })
  }
  t.notOk(readdirSync(folder).includes('early'))
  t.equal((await cli(['get', 'p/large:v0', '--root', 'copy', '--link', 'copy'])).code, 0)
  t.equal((await cli(['get', 'p/large:v0', '--root', 'clone', '--verify'])).code, 0)
  t.match(await cli(['get', 'p/large', '--link', 'magic', '--json']), {
    code: 2,
    error: { code: 'USAGE' },
  })

  t.equal((await cli(['sync'])).code, 0)
  const linked = await cli(['get', 'p/large', '--root', 'linked', '--link', 'hardlink', '--json'])
  t.match(linked, { code: 0, json: { version: 'v0' } })
  const file = join(folder, 'linked', 'large.bin')
  t.equal(statSync(file).nlink, 2)
  t.match((await put()).json, { version: 'v0', unchanged: true }, 'untouched, it counts as there')

  const edited = Buffer.concat([Buffer.from('EDIT'), large.subarray(4)])
  const edit = () => {
    chmodSync(file, 0o644)
    writeFileSync(file, edited)
  }
  edit()
  // The stat cache knows the file that is logged; it must not vouch for the object.
  t.match(await put(), { code: 0, json: { version: 'v0', unchanged: true } })
  t.match(await cli(['verify', 'p/large', '--json']), { code: 0, json: { problems: [] } })
  t.same(readFileSync(file), edited, 'the edit stays where it was made')

  const get = (root: string, ...more: string[]) => cli(['get', 'p/large', '--root', root, ...more])
  t.equal((await get('again', '--link', 'hardlink')).code, 0)
  writeFileSync(join(folder, 'again', 'large.bin'), edited)
  t.equal((await get('healed', '--link', 'hardlink')).code, 0)
  t.same(readFileSync(join(folder, 'healed', 'large.bin')), large, 'it came from the remote again')
  t.same(readFileSync(join(folder, 'again', 'large.bin')), edited)
  t.equal(readdirSync(join(home, 'damaged')).length, 2, 'nothing was deleted')

  const elsewhere = cliIn(folder, join(folder, 'elsewhere'), { ARTIFACT_REMOTE: server.url })
  t.equal((await elsewhere(['get', 'p/large', '--root', 'fetched'])).code, 0)
  t.same(readFileSync(join(folder, 'fetched', 'large.bin')), large, 'the remote never saw it')
})

t.test('the library refuses what is no way to link', async t => {
  const run = await init({ project: 'p' })
  const used = await run.useArtifact('large')
  await t.rejects(used.download({ link: 'magic' as 'copy' }), TypeError)
  await used.download({ root: join(folder, 'x'), link: 'symlink' })
  t.same(readFileSync(join(folder, 'x', 'large.bin')), large)
  await run.finish()
})
