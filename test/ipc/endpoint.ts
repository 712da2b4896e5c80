import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startNode } from '../../fixtures/run-node.js'
import { type ProtocolRange, readAnnouncement } from '../../src/ipc/announcement.js'
import { connectTo, listenAt } from '../../src/ipc/endpoint.js'
import { thisMachine } from '../../src/ipc/machine.js'
import { RpcClient, serveRpc } from '../../src/ipc/rpc.js'

const isRoot = process.getuid?.() === 0
const NOBODY = 65534

/** A folder with a short path, so that sockets fit in it. */
function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'artifactd-ipc-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Serves one method, `whoami`, and never answers another, `hang`, in the role `host`. */
const serve = (folder: string, name: string, protocol?: ProtocolRange) =>
  listenAt(
    folder,
    'host',
    socket => serveRpc(socket, { whoami: async () => name, hang: () => new Promise(() => {}) }),
    { protocol },
  )

async function ask(folder: string): Promise<string | null> {
  const peer = await connectTo(folder, 'host')
  if (!peer) return null
  const client = new RpcClient(peer)
  const name = await client.call<string>('whoami', [])
  client.close()
  return name
}

t.test('one that closes takes nothing from its successor', async t => {
  const folder = makeFolder(t)
  t.equal(await ask(folder), null)
  const first = await serve(folder, 'first')
  const peer = await connectTo(folder, 'host')
  const second = await serve(folder, 'second')
  t.equal(await ask(folder), 'second')
  const old = new RpcClient(peer!)
  t.equal(await old.call('whoami', []), 'first', 'open connections stay until it closes')
  await first.close()
  t.equal(await ask(folder), 'second')
  t.same(
    readdirSync(folder).sort(),
    [basename(second.address), 'host.json'].sort(),
    'the first left nothing',
  )
  await second.close()
  t.equal(await ask(folder), null, 'an announcement without a socket is nobody')
  second.withdraw()
  t.same(readdirSync(folder), [])
})

t.test('sockets of the dead are removed, those of the living never', async t => {
  const folder = makeFolder(t)
  const script = fileURLToPath(new URL('../../fixtures/ipc/listen.js', import.meta.url))
  const processes = [0, 1, 2].map(index => startNode([script, folder, `role${index}`]))
  await Promise.all(processes.map(({ sees }) => sees(/listens/)))
  const living = await serve(folder, 'living')
  t.equal(readdirSync(folder).filter(name => name.endsWith('.sock')).length, 4)
  const [killed, stopped, alive] = processes
  killed!.child.kill('SIGKILL')
  await killed!.ended
  stopped!.child.kill('SIGSTOP')

  const last = await listenAt(folder, 'last', socket => socket.end())
  const sockets = readdirSync(folder).filter(name => name.endsWith('.sock'))
  t.equal(sockets.length, 4, 'one of five is gone')
  t.ok(existsSync(living.address))
  t.equal(await connectTo(folder, 'role0'), null)
  for (const role of ['role1', 'role2']) {
    const peer = await connectTo(folder, role)
    t.ok(peer)
    peer?.socket.destroy()
  }
  for (const { child } of [stopped!, alive!]) child.kill('SIGKILL')
  await Promise.all([living.close(), last.close()])
})

t.test('programs that share no protocol say so by name', async t => {
  const folder = makeFolder(t)
  const newer = await serve(folder, 'newer', { min: 7, max: 9 })
  await t.rejects(connectTo(folder, 'host'), {
    code: 'PROTOCOL_UNSUPPORTED',
    message: /protocols 7 to 9; this program speaks 1 to 1/,
    details: { pid: process.pid, theirs: { min: 7, max: 9 }, ours: { min: 1, max: 1 } },
  })
  const peer = await connectTo(folder, 'host', { protocol: { min: 1, max: 7 } })
  t.same(peer?.protocol, { min: 7, max: 9 })
  peer?.socket.destroy()
  await newer.close()
})

t.test('a call may take long while its process answers at all', async t => {
  const folder = makeFolder(t)
  const endpoint = await serve(folder, 'slow')
  const client = new RpcClient((await connectTo(folder, 'host'))!)
  let ended = false
  const hanging = client.call('hang', []).catch(error => {
    ended = true
    return error
  })
  // Longer than a process may be silent: what answers is the ping.
  await new Promise(resolve => setTimeout(resolve, 11_000))
  t.notOk(ended)
  await endpoint.close()
  t.match(await hanging, { message: /closed during a call/ })
})

t.test('nobody else can reach a socket', async t => {
  // Too long for a socket in it: its socket lies in the temporary folder.
  const long = join(makeFolder(t), 'l'.repeat(100))
  const folders = { near: makeFolder(t), far: long }
  for (const [where, folder] of Object.entries(folders)) {
    const endpoint = await serve(folder, where)
    t.equal(statSync(folder).mode & 0o777, 0o700)
    t.equal(statSync(dirname(endpoint.address)).mode & 0o777, 0o700)
    t.equal(dirname(endpoint.address) === folder, where === 'near')
    t.equal(statSync(join(folder, 'host.json')).mode & 0o777, 0o600)
    if (isRoot) {
      t.equal(connectAs(0, endpoint.address), 'connected')
      t.equal(connectAs(NOBODY, endpoint.address), 'EACCES', `${where}: another user`)
    } else {
      t.comment('not tried as another user: that takes the superuser')
    }
    // What somebody opened is closed again by the next who connects.
    chmodSync(folder, 0o755)
    t.equal(await ask(folder), where)
    t.equal(statSync(folder).mode & 0o777, 0o700)
    await endpoint.close()
  }
})

t.test(
  'a folder of another user is trusted by nobody',
  {
    skip: isRoot ? false : 'that takes the superuser',
  },
  async t => {
    const folder = makeFolder(t)
    const endpoint = await serve(folder, 'mine')
    const script = fileURLToPath(new URL('../../fixtures/ipc/listen.js', import.meta.url))
    chownSync(folder, NOBODY, NOBODY)
    // Its user could look into it; it is the folder of the first that is wrong for the second.
    for (const action of ['connect', 'role']) {
      const { status, stderr } = spawnSync(
        'setpriv',
        [
          '--reuid=65533',
          '--regid=65533',
          '--clear-groups',
          process.execPath,
          script,
          folder,
          action,
        ],
        { encoding: 'utf8', env: { PATH: process.env.PATH } },
      )
      t.equal(status, 1)
      t.match(stderr, /STORE_FAILED|EACCES/, action)
    }
    t.equal(await ask(folder), 'mine', 'the superuser may')
    await endpoint.close()
  },
)

t.test('an announcement tells where its process runs', async t => {
  const folder = makeFolder(t)
  const endpoint = await serve(folder, 'here')
  t.match(readAnnouncement(folder, 'host'), {
    address: basename(endpoint.address),
    pid: process.pid,
    ...thisMachine(),
  })
  if (process.platform === 'linux') t.match(thisMachine().bootId, /^[0-9a-f-]{36}$/)
  await endpoint.close()
})

t.test('an announcement that no process writes is named', async t => {
  const folder = makeFolder(t)
  const file = join(folder, 'host.json')
  const whole = {
    ...{ address: 'a.sock', protocol: { min: 1, max: 1 }, pid: 7, hostname: 'h', bootId: null },
  }
  for (const text of ['', '{"address":"a.so']) {
    writeFileSync(file, text)
    t.equal(readAnnouncement(folder, 'host'), undefined, 'cut short')
  }
  writeFileSync(file, JSON.stringify(whole))
  t.same(readAnnouncement(folder, 'host'), whole)
  for (const [field, value] of [
    ['address', '../../elsewhere.sock'],
    ['address', ''],
    ['address', 5],
    ['protocol', undefined],
    ['protocol', { min: '1', max: 1 }],
    ['pid', 0],
    ['pid', '7'],
    ['hostname', null],
    ['bootId', 5],
  ] as const) {
    writeFileSync(file, JSON.stringify({ ...whole, [field]: value }))
    const error = { code: 'STORE_DAMAGED', details: { file, field } }
    t.throws(() => readAnnouncement(folder, 'host'), error, `${field}: ${value}`)
    await t.rejects(connectTo(folder, 'host'), error)
  }
  writeFileSync(file, 'null')
  t.throws(() => readAnnouncement(folder, 'host'), { code: 'STORE_DAMAGED' })
})

function connectAs(uid: number, address: string): string {
  const code =
    'require("net").connect(process.argv[1]).on("connect", () => { console.log("connected"); ' +
    'process.exit() }).on("error", error => console.log(error.code))'
  const args = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  return spawnSync('setpriv', [...args, process.execPath, '-e', code, address], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  }).stdout.trim()
}
