import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact } from '../../src/index.js'

const MIB = 1024 * 1024
const { folder } = useHome(t, { 'small.txt': 'small' })
// Outside of the folder that tap removes: the disk must be unmounted before.
const disk = mkdtempSync(join(tmpdir(), 'artifactd-disk-'))
const home = join(disk, 'home')

function mountDisk(): string | false {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk], {
    encoding: 'utf8',
  })
  return status === 0 ? false : `cannot mount a small disk: ${stderr || 'there is no mount'}`
}

const skip = mountDisk()
t.teardown(() => {
  if (!skip) spawnSync('umount', ['-l', disk])
  rmSync(disk, { recursive: true })
})

t.test('a full disk', { skip }, async t => {
  const cli = cliIn(folder, home)
  mkdirSync(join(folder, 'many'))
  for (let file = 0; file < 400; file += 1) {
    writeFileSync(join(folder, 'many', `${file}`), randomBytes(100_000))
  }
  writeFileSync(join(folder, 'large'), randomBytes(40 * MIB))
  t.equal((await cli(['put', 'small.txt', '-n', 'p/first'])).code, 0)

  for (const path of ['large', 'many']) {
    t.test(`${path}: nothing is logged, and the store goes on`, async t => {
      const { code, stdout, error } = await cli(['put', path, '-n', 'p/too-large', '--json'])
      t.match({ code, error }, { code: 1, error: { code: 'STORE_FULL' } })
      t.equal(stdout, '')
      t.equal((await cli(['show', 'p/too-large'])).code, 3)
      t.equal((await cli(['verify', 'p/first'])).code, 0)
      t.equal((await cli(['get', 'p/first', '--root', `out-${path}`])).code, 0)
      const name = `p/after-${path}`
      t.match(await cli(['put', 'small.txt=other', '-n', name, '--json']), { code: 0 })
    })
  }

  t.test('a new file that does not fit fails the artifact', async t => {
    process.env.ARTIFACT_HOME = home
    const artifact = new Artifact({ name: 'new-file', type: 'dataset' })
    const writes: Promise<void>[] = [
      artifact.newFile('large', writer => {
        for (let part = 0; part < 40; part += 1) writer.write(randomBytes(MIB))
      }),
    ]
    const ends = await Promise.allSettled(writes)
    t.match(ends, [{ status: 'rejected', reason: { code: 'STORE_FULL' } }])
    await t.rejects(artifact.save({ project: 'p' }), { code: 'STORE_FULL' })
    await artifact.store.close()
  })

  t.test('with room again it works', async t => {
    const ballast = join(disk, 'ballast')
    const room = spawnSync('sh', ['-c', 'cat /dev/zero > "$0" 2>/dev/null; true', ballast])
    t.equal(room.status, 0)
    const full = await cli(['put', 'large', '-n', 'p/second', '--json'])
    t.match({ code: full.code, error: full.error }, { code: 1, error: { code: 'STORE_FULL' } })
    rmSync(ballast)
    spawnSync('mount', ['-o', 'remount,size=160m', disk])
    for (const path of ['large', 'many']) {
      const put = await cli(['put', path, '-n', `p/${path}`, '--json'])
      t.match(put, { code: 0, json: { version: 'v0' } }, path)
      t.equal((await cli(['verify', `p/${path}`])).code, 0)
    }
    t.equal((await cli(['verify', 'p/first'])).code, 0)
  })
})
