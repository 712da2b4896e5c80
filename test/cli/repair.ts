import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { hashTree } from '../../fixtures/hash-tree.js'
import { makeTree } from '../../fixtures/make-tree.js'
import { cliIn, startCli } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { useHome } from '../../fixtures/use-home.js'
import { waitUntil } from '../../fixtures/wait-until.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { homePaths, objectPath } from '../../src/model/home.js'

const hasher = await createHasher('xxh128')
const digestOf = (path: string) => hashBytes(hasher, readFileSync(path))

t.test('damage is told, repaired from the remote, or called lost', async t => {
  const { folder, home } = useHome(t)
  const tree = join(folder, 'tree')
  makeTree(tree, 150)
  const server = await serveProcess(t, join(folder, 'data'))
  const cli = cliIn(folder, home, { ARTIFACT_REMOTE: server.url })
  t.match(await cli(['put', 'tree', '-n', 'p/tree', '--wait']), { code: 0 })
  t.match(await cli(['verify', '--store', '--json']), {
    code: 0,
    json: { problems: [], versions: 1, resumed: false, bytesPerSecond: Number },
  })
  t.match(await cli(['repair', '--json']), { code: 0, json: { recovered: 0, lost: [] } })

  const store = sharedStore(home)
  const large = digestOf(join(tree, 'large.bin'))
  const small = digestOf(join(tree, '0', '7.txt'))
  await damageBlob(store, large)
  await damageBlob(store, small)
  const found = await cli(['verify', '--store'])
  t.equal(found.code, 1)
  t.match(found.stdout, new RegExp(`damaged  blob/${large}`))
  t.match(found.stdout, /2 problems.*\nNothing was changed\. `artifact repair`/)
  // A read mends what it comes across.
  t.match(await cli(['get', 'p/tree', '--root', 'out', '--json']), { code: 0 })
  t.same(hashTree(join(folder, 'out')), hashTree(tree))
  t.match(await cli(['verify', '--store', '--json']), { code: 0, json: { problems: [] } })

  await damageBlob(store, small)
  const verified = await cli(['verify', 'p/tree', '--json'])
  t.match(verified, { code: 0, json: { problems: [], recovered: 1 } })

  await server.stop()
  await damageBlob(store, large)
  const lost = await cli(['repair', 'p/tree', '--json'])
  t.match(lost, {
    code: 1,
    json: {
      recovered: 0,
      reason: { code: 'REMOTE_UNREACHABLE' },
      lost: [{ digest: large, neededBy: [{ version: 'p/tree:v0', path: 'large.bin' }] }],
    },
  })
  const text = await cli(['repair'])
  t.equal(text.code, 1)
  t.match(text.stdout, new RegExp(`lost  blob ${large}.*\\n      p/tree:v0  large\\.bin`))
  const get = await cli(['get', 'p/tree', '--root', 'lost', '--json'])
  t.match(get, { code: 1, error: { code: 'BLOB_MISSING', details: { path: 'large.bin' } } })
  t.match(await cli(['put', 'tree', '-n', 'p/tree', '--json']), {
    code: 0,
    json: { version: 'v0' },
  })
  t.match(await cli(['repair', '--json']), { code: 0, json: { lost: [] } }, 'logged again')
})

t.test('what verify and repair do not understand is a mistake of usage', async t => {
  const { folder, home } = useHome(t)
  const cli = cliIn(folder, home)
  for (const args of [['verify'], ['verify', 'x', '--store'], ['verify', 'x', '--restart']]) {
    t.match(await cli([...args, '--json']), { code: 2, error: { code: 'USAGE' } }, args.join(' '))
  }
  t.match(await cli(['repair', 'p/nothing', '--json']), { code: 3 })
  t.match(await cli(['repair', '--json']), { code: 0, json: { versions: 0 } }, 'an empty store')
})

t.test('verify --store that is interrupted goes on where it was', async t => {
  const { folder, home } = useHome(t)
  const cli = cliIn(folder, home)
  writeFileSync(join(folder, 'a.txt'), 'aaaa')
  t.match(await cli(['put', 'a.txt']), { code: 0 })
  // Holes take no room on the disk, and as long to hash as anything.
  const size = 256 * 1024 * 1024
  const zeros = Buffer.alloc(1024 * 1024)
  const hash = createHash('sha256')
  for (let at = 0; at < size; at += zeros.length) hash.update(zeros)
  const whole = objectPath(home, `sha256:${hash.digest('hex')}`)
  const names = ['00', '11', '22', '33', '44', '55'].map(start => start.padEnd(64, '0'))
  const damaged = names.map(hex => objectPath(home, `sha256:${hex}`))
  for (const path of [whole, ...damaged]) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, '')
    truncateSync(path, size)
  }
  const { verifyState } = homePaths(home)
  const started = startCli(['verify', '--store'], { env: { ARTIFACT_HOME: home } })
  await waitUntil(async () => existsSync(verifyState))
  started.child.kill('SIGINT')
  t.match(await started.ended, { code: 130 })
  const note = JSON.parse(readFileSync(verifyState, 'utf8'))
  t.ok(note.files > 0)

  const resumed = await cli(['verify', '--store', '--json'])
  t.match(resumed, { code: 1, json: { resumed: true, startedAt: note.startedAt } })
  t.same(
    resumed.json.problems.map(({ what }: { what: string }) => what),
    names.map(hex => `blob/sha256:${hex}`),
    'what was found before and after',
  )
  t.notOk(existsSync(verifyState))
})

t.test('a damaged journal is salvaged, and what it held is named', async t => {
  const { folder, home } = useHome(t)
  const cli = cliIn(folder, home)
  const ids: string[] = []
  for (const text of ['one', 'two', 'three']) {
    writeFileSync(join(folder, 'a.txt'), text)
    const { code, json } = await cli(['put', 'a.txt', '-n', 'p/a', '--json'])
    t.equal(code, 0)
    ids.push((json as { id: string }).id)
  }
  const segment = readdirSync(homePaths(home).journal)
    .map(name => join(homePaths(home).journal, name))
    .find(path => readFileSync(path).includes(ids[1]!))!
  const bytes = readFileSync(segment)
  bytes[bytes.indexOf(ids[1]!)]! ^= 1
  writeFileSync(segment, bytes)
  t.match(await cli(['ls', '--json']), { code: 1, error: { code: 'STORE_DAMAGED' } })

  const repaired = await cli(['repair', '--json'])
  t.match(repaired, {
    code: 1,
    json: { salvaged: { lost: [{ first: 2, last: 2 }], versions: [{ name: 'a', id: ids[1] }] } },
  })
  t.match(await cli(['repair']), {
    code: 0,
    stdout: /2 versions: nothing to recover, all is whole/,
  })
  t.match(await cli(['ls', 'p/a', '--json']), { code: 0, json: [{ id: ids[0] }, { id: ids[2] }] })
  t.match(await cli(['get', 'p/a:v2', '--root', 'out', '--json']), { code: 0 })
  t.equal(readFileSync(join(folder, 'out', 'a.txt'), 'utf8'), 'three')
})
