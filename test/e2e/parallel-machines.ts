import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readAcknowledged, startUpserts } from '../../fixtures/run/start-upserts.js'
import { type Cli, cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'

const folder = t.testdir({ 'a.txt': 'a', 'b.txt': 'b', files: { 'late.txt': 'late' }, x: {} })
const { url } = await serveProcess(t, join(folder, 'server'))

interface Machine {
  cli: Cli
  /** Upserts from a process of its own; offline, as all here. */
  upsert(group: string, first: number, upserts: number): Promise<string[]>
}

function machine(name: string): Machine {
  const home = join(folder, name)
  const env = { ARTIFACT_REMOTE: url, ARTIFACT_PROJECT: 'p' }
  return {
    cli: cliIn(folder, home, env),
    async upsert(group, first, upserts) {
      const options = { home, group, first, writers: 2, upserts, ahead: 20 }
      const offline = { ...env, ARTIFACT_MODE: 'offline' }
      const { stdout, stderr } = await startUpserts({ ...options, env: offline }).ended
      t.equal(stderr, '')
      return readAcknowledged(stdout)
    },
  }
}

const offline = { env: { ARTIFACT_MODE: 'offline' } }

/** The upserts in a version that a machine gets. */
async function getUpserts({ cli }: Machine, name: string, root: string): Promise<string[]> {
  const got = await cli(['get', name, '--root', root, '--json'])
  t.match({ code: got.code, stderr: got.stderr }, { code: 0, stderr: '' })
  const verified = await cli(['verify', name, '--root', root, '--json'])
  t.match(verified, { code: 0, json: { problems: [] } })
  const paths = readdirSync(join(folder, root), { recursive: true, encoding: 'utf8' })
  const texts = paths.filter(path => path.endsWith('.txt'))
  t.equal(texts.length, paths.filter(path => path.endsWith('.bin')).length)
  return texts.map(path => path.replace(/\.txt$/, '')).sort()
}

t.test('two machines upsert through one server, and a third reads what both sent', async t => {
  const [a, b, c] = [machine('a'), machine('b'), machine('c')]
  const sent = [...(await a.upsert('g', 0, 4)), ...(await b.upsert('g', 2, 6))].sort()
  t.equal(sent.length, 20)
  t.match(await b.cli(['sync', '--json']), { code: 0, json: { pending: 0, failed: [] } })
  t.match(await c.cli(['ls', '--json']), { code: 0, json: [] }, 'nothing is visible there')

  const finished = await a.cli(['finish', 'parts', '--group', 'g', '-a', 'best', '--json'], offline)
  const { id } = finished.json
  t.match(finished, { code: 0, json: { state: 'closing', version: null, digest: null } })
  t.equal(finished.json.fileCount, 16, 'what is here is usable at once, by its id')
  t.equal((await getUpserts(a, `parts@${id}`, 'a-early')).length, 8)
  t.match(await a.cli(['show', 'parts:best', '--json'], offline), { code: 3 })
  t.match(await a.cli(['ls', '--json'], offline), { code: 0, json: [] })
  t.match((await a.cli(['status', '--json'])).json, { pending: 10, failed: 0 })

  const synced = await a.cli(['sync', '--json'])
  t.match(synced, { code: 0, json: { pending: 0, failed: [], errors: [] } })
  t.match((await a.cli(['status', '--json'])).json, { pending: 0, versions: [] })
  t.same(await getUpserts(c, 'parts:best', 'out-c'), sent)
  t.same(await getUpserts(a, `parts@${id}`, 'a-late'), sent, 'its id means the merged version')
  t.same(await getUpserts(b, 'parts:v0', 'out-b'), sent)
  const shown = (await c.cli(['show', 'parts', '--json'])).json
  t.match(shown, { id, version: 'v0', aliases: ['best', 'latest'], state: 'synced' })

  const more = await a.cli(['put', 'a.txt', '-n', 'parts', '--upsert', '--group', 'g', '--json'])
  t.match(
    { code: more.code, error: more.error },
    { code: 1, error: { code: 'ARTIFACT_FINALIZED' } },
  )
})

t.test('an offline finish of one machine has its number after the sync', async t => {
  const a = machine('alone')
  const sent = await a.upsert('alone', 0, 3)
  const finish = ['finish', 'parts', '--group', 'alone', '-a', 'alone', '--json']
  const { id } = (await a.cli(finish, offline)).json
  t.match(await a.cli(['sync', '--json']), { code: 0, json: { pending: 0 } })
  const here = await a.cli(['show', `parts@${id}`, '--json'], offline)
  t.match(here, { code: 0, json: { version: 'v1', state: 'synced', resolved: 'local' } })
  t.same(here.json.aliases, ['alone', 'latest'])
  const again = await a.cli(finish, offline)
  t.match(again, { code: 0, json: { id, version: 'v1' } }, 'a finish again has the same answer')
  t.same(await getUpserts(a, 'parts:alone', 'alone-out'), sent.sort())
  const waited = await machine('waits').cli([...finish.slice(0, 4), '--wait', '--json'])
  t.equal(waited.error?.code ?? waited.json?.id, id, 'a machine that sent nothing is answered too')
})

t.test('an upsert that comes after the close is kept, and holds nothing up', async t => {
  const [a, late] = [machine('on-time'), machine('late')]
  await a.upsert('late', 0, 2)
  const put = ['put', 'files', '-n', 'parts', '--upsert', '--group', 'late', '--json']
  const part = (await late.cli(put, offline)).json
  t.match(part, { version: null, group: 'late', fileCount: 1 })
  writeFileSync(join(folder, 'x', 'x.txt'), 'later version')
  t.match(await late.cli(['put', 'x', '-n', 'parts', '-a', 'x'], offline), { code: 0 })
  t.match(await a.cli(['finish', 'parts', '--group', 'late', '--wait', '--json']), { code: 0 })

  const synced = await late.cli(['sync', '--json'])
  t.match(synced, {
    code: 5,
    json: {
      pending: 0,
      failed: [{ kind: 'upsert', id: part.id, error: { code: 'ARTIFACT_FINALIZED' } }],
      synced: [{ kind: 'version', name: 'parts' }],
    },
  })
  const status = await late.cli(['status'])
  t.match(status.stdout, new RegExp(`failed +p/parts@${part.id.slice(0, 8)}.*"late" is finished`))
  t.match(status.stdout, `artifact get p/parts@${part.id.slice(0, 8)}`)
  t.match(await late.cli(['sync', '--json']), { code: 5, json: { synced: [] } }, 'it stays')
  const got = await late.cli(['get', `parts@${part.id.slice(0, 8)}`, '--root', 'kept', '--json'])
  t.match(got, { code: 0, json: { fileCount: 1 } })
  const own = await late.cli(['put', 'kept', '-n', 'parts', '-a', 'kept', '--json'])
  t.match(own, { code: 0, json: { version: /^v\d$/, fileCount: 1 } })

  const drop = (id: string) => late.cli(['sync', '--drop', id, '--json'])
  for (const id of ['', '@', 'ffffffff', own.json.id]) {
    t.match((await drop(id)).error, { code: 'VERSION_NOT_FOUND' }, `--drop ${id}`)
  }
  t.match(await drop(`parts@${part.id.slice(0, 8)}`), {
    ...{ code: 0, json: { dropped: part.id, failed: [], pending: 0 } },
  })
  t.match((await late.cli(['status', '--json'])).json, { failed: 0, versions: [] })
  t.match((await drop(part.id)).error, { code: 'VERSION_NOT_FOUND' }, 'it is gone')
})

t.test('a conflict between machines is found by the server, and can be decided', async t => {
  const [a, b] = [machine('conflict-a'), machine('conflict-b')]
  const put = (file: string) => [
    ...['put', `${file}=same.txt`, '-n', 'same', '--upsert', '--group', 'g', '--json'],
  ]
  t.match(await a.cli(put('a.txt'), offline), { code: 0 })
  t.match(await b.cli(put('b.txt'), offline), { code: 0 })
  await a.cli(['sync'])
  t.match(await b.cli(['finish', 'same', '--group', 'g', '--json'], offline), { code: 0 })
  const refused = await b.cli(['sync', '--json'])
  t.match(refused, {
    code: 5,
    json: {
      failed: [
        {
          kind: 'finish',
          error: { code: 'ENTRY_CONFLICT', details: { path: 'same.txt', runs: [String, String] } },
        },
      ],
    },
  })
  t.match((await b.cli(['status', '--json'])).json, { failed: 1, pending: 0 })
  const last = ['finish', 'same', '--group', 'g', '--on-conflict', 'last', '--wait', '--json']
  t.match(await b.cli(last), { code: 0 })
  t.match((await b.cli(['status', '--json'])).json, { failed: 0, pending: 0, versions: [] })
  t.match(await a.cli(['get', 'same', '--root', 'same', '--json']), {
    code: 0,
    json: { fileCount: 1 },
  })
  t.equal(readFileSync(join(folder, 'same', 'same.txt'), 'utf8'), 'b')
})
