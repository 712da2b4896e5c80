import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listStored } from '../../fixtures/store/list-stored.js'
import { listTree, logTree } from '../../fixtures/store/log-tree.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { openStore } from '../../src/store/store.js'
import { verifyFolder, verifyInStore } from '../../src/store/verify.js'

const FILES = 21_000
/** As many files have the content of another. */
const DISTINCT = 15_000

function makeContent(i: number): Buffer {
  const seed = createHash('sha256').update(`${i}`).digest()
  const length = i % 3000 === 1 ? 300_000 : seed.readUInt16LE(0) % 2000
  return Buffer.alloc(length, seed)
}

t.test('twenty thousand files come back byte for byte', async t => {
  const base = t.testdir({ source: {} })
  const source = join(base, 'source')
  for (let folder = 0; folder < 200; folder += 1) {
    mkdirSync(join(source, `${folder % 14}`, `folder ${folder}`), { recursive: true })
  }
  for (let i = 0; i < FILES; i += 1) {
    const folder = join(source, `${(i % 200) % 14}`, `folder ${i % 200}`)
    writeFileSync(join(folder, `file ${i}.bin`), makeContent(i % DISTINCT))
  }
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  const version = await logTree(store, source)
  t.equal(version.fileCount, FILES)
  t.ok(version.pieces.length > 10, 'the manifest is in pieces')

  const { records, objects } = listStored(store.home)
  const distinct = new Set(
    Array.from({ length: DISTINCT }, (_, i) => makeContent(i).toString('hex')),
  )
  const blobs = records.filter(({ key }) => key.kind === 'blob').length
  t.equal(blobs + objects.length, distinct.size, 'each content is there once')

  const root = join(base, 'out')
  t.same(await checkoutVersion(store, version, root), { root, written: FILES, kept: 0 })
  const paths = listTree(source)
  t.equal(paths.length, FILES)
  t.same(listTree(root), paths)
  const wrong = paths.filter(
    path => !readFileSync(join(root, path)).equals(readFileSync(join(source, path))),
  )
  t.same(wrong, [])
  const { size } = version
  t.same(await verifyFolder(store, version, root), { files: FILES, bytes: size, problems: [] })
  t.same(await verifyInStore(store, version), { files: FILES, bytes: size, problems: [] })
  t.match(await checkoutVersion(store, version, root), { written: 0, kept: FILES })

  writeFileSync(join(root, paths[12_345]!), 'changed')
  const { problems } = await verifyFolder(store, version, root)
  t.match(problems, [{ path: paths[12_345], problem: 'differs' }])
})
