import { randomBytes } from 'node:crypto'
import { cpSync, linkSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeTree } from '../../fixtures/make-tree.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact } from '../../src/index.js'

/** Bytes of all packs and objects of a home. */
function countBytes(home: string): number {
  return ['packs', 'objects']
    .map(name => join(home, name))
    .filter(path => statSync(path, { throwIfNoEntry: false }))
    .flatMap(path => readdirSync(path, { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

for (const [copies, size] of [
  [2000, 100_000],
  [200, 300_000],
] as const) {
  t.test(`${copies} copies of ${size} bytes are stored once`, async t => {
    const { folder, home } = useHome(t)
    const tree = join(folder, 'copies')
    const bytes = randomBytes(size)
    for (let index = 0; index < copies; index += 1) {
      const path = join(tree, `d${index % 20}`)
      mkdirSync(path, { recursive: true })
      writeFileSync(join(path, `${index}.bin`), bytes)
    }
    const artifact = new Artifact({ name: 'copies', type: 'dataset' })
    await artifact.addDir(tree)
    const logged = await artifact.save({ project: 'p' })
    t.match(logged, { fileCount: copies, size: copies * size })
    // The manifest takes about 100 bytes a file.
    const stored = countBytes(home)
    t.ok(stored >= size && stored < size + copies * 200 + 10_000, `${stored} bytes are stored`)
  })
}

t.test('content that comes again when its pack is finished is not stored again', async t => {
  const { folder, home } = useHome(t)
  const tree = join(folder, 'tree')
  const [files, size] = [1000, 200_000]
  for (let index = 0; index < files; index += 1) {
    const name = `${index % 10}/${index}.bin`
    for (const half of ['a', 'b'])
      mkdirSync(join(tree, half, String(index % 10)), { recursive: true })
    writeFileSync(join(tree, 'a', name), randomBytes(size))
    linkSync(join(tree, 'a', name), join(tree, 'b', name))
  }
  const artifact = new Artifact({ name: 'halves', type: 'dataset' })
  await artifact.addDir(tree)
  t.match(await artifact.save({ project: 'p' }), { fileCount: files * 2 })
  const stored = countBytes(home)
  t.ok(readdirSync(join(home, 'packs')).length > 2, 'it takes some packs')
  t.ok(stored < files * (size + 1000), `${stored} bytes are stored`)
})

t.test('a tree that is logged under ten names is stored once', async t => {
  const { folder, home } = useHome(t)
  const tree = join(folder, 'tree')
  makeTree(tree, 1000)
  const stored: number[] = []
  for (let index = 0; index < 10; index += 1) {
    // Copies, so that they must be read.
    const copy = join(folder, `copy-${index}`)
    cpSync(tree, copy, { recursive: true })
    const artifact = new Artifact({ name: `name-${index}`, type: 'dataset' })
    await artifact.addDir(copy)
    t.match(await artifact.save({ project: 'p' }), { fileCount: 1001, version: 'v0' })
    stored.push(countBytes(home))
  }
  t.ok(stored[0]! > 3_000_000)
  t.same(
    stored,
    stored.map(() => stored[0]),
  )
})
