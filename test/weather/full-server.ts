import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { logFiles } from '../../fixtures/log-files.js'
import { startServer } from '../../server/start-server.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { openStore } from '../../src/store/store.js'
import { verifyInStore } from '../../src/store/verify.js'
import { pullVersion } from '../../src/sync/pull.js'
import { pushPending } from '../../src/sync/push.js'

const disk = mkdtempSync(join(tmpdir(), 'artifactd-full-'))
const mount = (options: string) =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk], { encoding: 'utf8' })
const { status, stderr } = mount('size=8m')
const skip = status === 0 ? false : `cannot mount a small disk: ${stderr || 'there is no mount'}`
t.teardown(() => {
  if (!skip) spawnSync('umount', ['-l', disk])
  rmdirSync(disk)
})

t.test(
  'a server whose disk is full says so, serves on, and goes on with room',
  { skip },
  async t => {
    const folder = t.testdir({})
    const home = join(disk, 'server')
    const server = await startServer({ home, host: '127.0.0.1', port: 0 })
    const [here, elsewhere] = ['here', 'elsewhere'].map(name => openStore(join(folder, name)))
    t.teardown(async () => {
      await Promise.all([here!.close(), elsewhere!.close()])
      await server.close()
    })
    const remote = openHttpRemote({ url: server.url })
    const push = () => pushPending(here!, () => remote, { defaultRemote: server.url })
    const first = await logFiles(here!, { 'a.txt': 'a' })
    t.match(await push(), { synced: [{ id: first.id }], errors: [] })

    const files = Object.fromEntries(
      Array.from({ length: 200 }, (_, n) => [`${n}.bin`, randomBytes(100_000)]),
    )
    const large = await logFiles(here!, files, { aliases: ['best'] })
    for (const _ of [1, 2]) {
      const { errors, failed, pending } = await push()
      t.match(errors, [{ code: 'STORE_FULL' }])
      t.same({ failed, pending }, { failed: [], pending: 1 })
      const { items } = await remote.listVersions({ entity: 'default' })
      t.same(
        items.map(({ id }) => id),
        [first.id],
        'nothing of it is to be seen',
      )
    }
    const found = await remote.findVersion(
      { entity: 'default', project: 'p', name: 'cats' },
      { kind: 'alias', alias: 'latest' },
    )
    await pullVersion(elsewhere!, remote, found)
    t.same((await verifyInStore(elsewhere!, found.version)).problems, [], 'it serves what it has')

    t.equal(mount('remount,size=64m').status, 0)
    t.match(await push(), { synced: [{ id: large.id, number: 1 }], errors: [], pending: 0 })
    const served = openStore(home)
    const version = (await served.catalog.getVersion(large.id))!
    t.match(await verifyInStore(served, version), { files: 200, problems: [] })
    await served.close()
  },
)
