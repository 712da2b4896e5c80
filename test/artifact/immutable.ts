import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact } from '../../src/index.js'
import { homePaths } from '../../src/model/home.js'

const { home } = useHome(t)
const LARGE = 'immutable '.repeat(100_000)

const make = (name: string) => new Artifact({ name, type: 'dataset' })

function listObjects(): string[] {
  const { objects } = homePaths(home)
  try {
    return readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter(p => p.length > 20)
  } catch {
    return []
  }
}

t.test('an immutable file stays where it is, and is read from there', async t => {
  const root = t.testdir({ files: { large: LARGE, small: 'small' } })
  const artifact = make('in-place')
  await artifact.addDir(join(root, 'files'), { policy: 'immutable' })
  const logged = await artifact.save()
  t.same(listObjects(), [])
  t.same((await logged.verify()).problems, [])
  const out = await logged.download({ root: join(root, 'out') })
  t.ok(readFileSync(join(out, 'large'), 'utf8') === LARGE)
  t.equal(readFileSync(join(out, 'small'), 'utf8'), 'small')
})

t.test('once it changed or is gone, it is named, and nothing wrong is written', async t => {
  const root = t.testdir({ files: { changed: 'as it was', gone: 'gone' } })
  const artifact = make('changed')
  await artifact.addDir(join(root, 'files'), { policy: 'immutable' })
  const logged = await artifact.save()
  writeFileSync(join(root, 'files/changed'), 'otherwise')
  rmSync(join(root, 'files/gone'))
  const { problems } = await logged.verify()
  t.same(
    problems.map(({ path }) => path),
    ['changed', 'gone'],
  )
  await t.rejects(logged.download({ root: join(root, 'out') }), { name: 'ArtifactError' })
  t.notOk(existsSync(join(root, 'out')))
})

t.test('a mutable add never relies on a file outside the store', async t => {
  const root = t.testdir({ original: LARGE.toUpperCase(), copy: LARGE.toUpperCase() })
  const first = make('immutable')
  await first.addFile(join(root, 'original'), { policy: 'immutable' })
  await first.save()
  const second = make('mutable')
  await second.addFile(join(root, 'copy'))
  const logged = await second.save()
  rmSync(join(root, 'original'))
  rmSync(join(root, 'copy'))
  t.same((await logged.verify()).problems, [])
})

t.test('whichever add is done first, the later call says where the bytes are', async t => {
  for (let round = 0; round < 6; round += 1) {
    const bytes = (name: string) => `${name} ${round} `.repeat(60_000)
    const root = t.testdir({ slow: bytes('slow'), quick: `quick ${round}` })
    const artifact = make(`order-${round}`)
    void artifact.addFile(join(root, 'slow'), { name: 'x' })
    void artifact.addFile(join(root, 'quick'), { name: 'x', overwrite: true, policy: 'immutable' })
    const logged = await artifact.save()
    t.same((await logged.verify()).problems, [])

    const reverse = make(`reverse-${round}`)
    void reverse.addFile(join(root, 'slow'), { name: 'x', policy: 'immutable' })
    void reverse.addFile(join(root, 'quick'), { name: 'x', overwrite: true })
    const other = await reverse.save()
    rmSync(join(root, 'slow'))
    rmSync(join(root, 'quick'))
    t.same((await other.verify()).problems, [])
  }
})
