import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { makeTree } from '../../fixtures/make-tree.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder } = useHome(t)
const tree = join(folder, 'tree')
const FILES = 2000
makeTree(tree, FILES)

/** A machine: a home of its own. */
const machine = (name: string, remote: string) =>
  cliIn(folder, join(folder, name), { ARTIFACT_REMOTE: remote })

t.test('from one machine to another, byte for byte', async t => {
  const data = join(folder, 'data')
  const early = await serveProcess(t, data)
  const { url } = early
  const port = Number(new URL(url).port)
  await early.stop()
  const here = machine('here', url)
  const there = machine('there', url)

  const put = await here(['put', 'tree', '-n', 'p/tree', '-a', 'first', '-d', 'a tree', '--json'])
  t.match(put, { code: 0, json: { state: 'pending', fileCount: FILES + 1, version: 'v0' } })
  const pending = (await here(['status', '--json'])).json
  t.match(pending, { pending: 1, failed: 0, reachable: false, daemon: false })
  t.match(pending.versions, [{ name: 'tree', version: 'v0', state: 'pending', remote: url }])

  const server = await serveProcess(t, data, { port })
  const sync = await here(['sync', '--json'])
  t.match(sync, { code: 0, json: { pending: 0, failed: [], errors: [] } })
  t.match(sync.json.synced, [{ project: 'p', name: 'tree', number: 0, id: put.json.id }])
  t.match((await here(['status', '--json'])).json, { pending: 0, reachable: true, versions: [] })
  t.match((await here(['show', 'p/tree', '--json'])).json, { state: 'synced' })
  t.match((await here(['sync', '--json'])).json, { synced: [], sentBytes: 0 }, 'nothing is left')

  const get = await there(['get', 'p/tree:first', '--root', 'out', '--json'])
  t.match(get, { code: 0, json: { resolved: 'remote', version: 'v0', id: put.json.id } })
  t.ok(get.json.downloadedBytes > 3_000_000)
  t.same(hashTree(join(folder, 'out')), hashTree(tree))
  t.match(await there(['verify', 'p/tree', '--root', 'out', '--json']), { code: 0 })
  t.match((await there(['show', 'p/tree', '--json'])).json, {
    description: 'a tree',
    state: 'synced',
    aliases: ['first', 'latest'],
  })

  writeFileSync(join(tree, '7', 'changed.txt'), 'changed '.repeat(100))
  await here(['put', 'tree', '-n', 'p/tree'])
  const second = (await here(['sync', '--json'])).json
  t.match(second.synced, [{ number: 1 }])
  t.ok(second.sentBytes < 500_000, `${second.sentBytes} bytes were sent`)
  t.ok(second.skippedBytes > 3_000_000)
  const again = await there(['get', 'p/tree', '--root', 'out', '--json'])
  t.match(again.json, { version: 'v1', resolved: 'remote' })
  t.ok(again.json.downloadedBytes < 500_000, `${again.json.downloadedBytes} bytes came`)
  t.same(hashTree(join(folder, 'out')), hashTree(tree))

  await server.stop()
  const offline = await there(['get', 'p/tree:v0', '--root', 'offline', '--json'])
  t.match(offline, { code: 0, json: { resolved: 'local', downloadedBytes: 0, fileCount: 2001 } })
})

t.test('a name means what the remote says, and without it the answer has an age', async t => {
  const data = join(folder, 'data-names')
  const server = await serveProcess(t, data)
  const here = machine('names-here', server.url)
  const there = machine('names-there', server.url)
  const log = async (content: string) => {
    writeFileSync(join(folder, 'note.txt'), content)
    t.equal((await here(['put', 'note.txt', '-n', 'p/note'])).code, 0)
  }
  await log('version 0')
  await here(['sync'])
  const first = await there(['get', 'p/note', '--root', 'note', '--json'])
  t.match(first.json, { version: 'v0', resolved: 'remote' })
  for (let number = 1; number <= 5; number += 1) await log(`version ${number}`)
  t.equal((await there(['get', 'p/note', '--root', 'note', '--json'])).json.version, 'v0')
  t.equal((await here(['sync', '--json'])).json.synced.length, 5)
  const fifth = (await there(['get', 'p/note', '--root', 'note', '--json'])).json
  t.match(fifth, { version: 'v5', resolved: 'remote' })
  t.ok(fifth.asOf >= first.json.asOf)

  const listed = (await there(['ls', 'p/note', '--json'])).json
  t.same(
    listed.map(({ version, state, local }: Record<string, unknown>) => [version, state, local]),
    [0, 1, 2, 3, 4, 5].map(number => [`v${number}`, 'synced', number === 0 || number === 5]),
  )

  await server.stop()
  const old = await there(['get', 'p/note', '--root', 'note', '--json'])
  t.match(old, { code: 0, json: { version: 'v5', resolved: 'local' } })
  t.match(old.json.asOf, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'how old the answer is')
  t.ok(old.json.asOf >= first.json.asOf)
  const said = await there(['show', 'p/note'])
  t.match(
    said.stderr,
    new RegExp(`answered from the local store, as the remote had it on ${old.json.asOf}`),
  )
  const absent = await there(['get', 'p/note:v3', '--json'])
  t.match({ code: absent.code, error: absent.error.code }, { code: 4, error: 'REMOTE_UNREACHABLE' })
})
