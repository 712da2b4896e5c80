import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { listTree, logTree } from '../../fixtures/store/log-tree.js'
import { encodeExternal } from '../../src/catalog/index-external.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { objectPath } from '../../src/model/home.js'
import type { Manifest } from '../../src/model/version.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { writeManifest } from '../../src/store/manifest.js'
import { openStore, type Store } from '../../src/store/store.js'

const large = Buffer.alloc(600_000, 'large ')

const source = {
  'a.txt': 'a',
  empty: '',
  'large.bin': large,
  deep: { er: { 'still.txt': 'deep' }, 'ü 😀.txt': 'unicode' },
}

type Tree = Parameters<Test['testdir']>[0]

/** A version of {@link source}, and a folder `out` that holds what is given. */
async function setUp(
  t: Test,
  out?: Tree,
): Promise<{ base: string; store: Store; version: Manifest }> {
  const base = t.testdir({ source, ...(out && { out }), outside: { keep: 'outside' } })
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  return { base, store, version: await logTree(store, join(base, 'source')) }
}

function readTree(folder: string): Record<string, string> {
  return Object.fromEntries(
    listTree(folder).map(path => {
      const file = join(folder, path)
      const link = lstatSync(file).isSymbolicLink()
      return [path, link ? 'a link' : readFileSync(file, 'latin1')]
    }),
  )
}

/** A manifest of pieces that are stored as they are, whatever they say. */
async function storePieces(store: Store, pieces: string[]): Promise<Manifest> {
  const ingest = store.ingest()
  const parts = pieces.map(piece => Buffer.from(piece))
  const stored = await ingest.addBytes('piece', parts)
  await ingest.finish()
  return {
    algorithm: 'xxh128',
    digest: '0'.repeat(32),
    size: 0,
    fileCount: pieces.join('').split('\n').length - 1,
    pieces: stored.map(({ digest }, i) => ({ digest, size: parts[i]!.length, count: 1 })),
  }
}

t.test('a version is written into new and empty folders', async t => {
  const { base, store, version } = await setUp(t, {})
  const expected = readTree(join(base, 'source'))
  for (const name of ['new', join('new', 'nested', 'folder'), 'out']) {
    const root = join(base, name)
    t.same(await checkoutVersion(store, version, root), { root, written: 5, kept: 0 })
    if (name !== 'new') t.same(readTree(root), expected)
  }
  t.ok(statSync(join(base, 'out', 'a.txt')).mode & 0o200, 'files are their owner’s to change')
})

t.test('a second checkout keeps what is there', async t => {
  const { base, store, version } = await setUp(t, { 'mine.txt': 'mine', deep: { 'mine.txt': 'm' } })
  const root = join(base, 'out')
  t.match(await checkoutVersion(store, version, root), { written: 5, kept: 0 })
  const before = statSync(join(root, 'large.bin'))
  rmSync(join(root, 'a.txt'))
  t.match(await checkoutVersion(store, version, root), { written: 1, kept: 4 })
  const after = statSync(join(root, 'large.bin'))
  t.same([after.ino, after.mtimeMs], [before.ino, before.mtimeMs])
  const expected = { ...readTree(join(base, 'source')), 'mine.txt': 'mine', 'deep/mine.txt': 'm' }
  t.same(readTree(root), expected, 'files of others stay')
})

t.test('a file in the way is replaced if the store has its content', async t => {
  const { base, store, version } = await setUp(t, { 'a.txt': 'deep', 'large.bin': 'a' })
  t.match(await checkoutVersion(store, version, join(base, 'out')), { written: 5 })
  t.same(readTree(join(base, 'out')), readTree(join(base, 'source')))
})

t.test('a file with content that would be lost stops everything', async t => {
  const { base, store, version } = await setUp(t, { deep: { er: { 'still.txt': 'precious' } } })
  const root = join(base, 'out')
  const before = readTree(root)
  await t.rejects(checkoutVersion(store, version, root), {
    code: 'CHECKOUT_CONFLICT',
    message: /deep\/er\/still\.txt/,
    details: { conflicts: 1 },
  })
  t.same(readTree(root), before, 'nothing was written')
  t.match(await checkoutVersion(store, version, root, { overwrite: true }), { written: 5 })
  t.same(readTree(root), readTree(join(base, 'source')))
})

t.test('links and files in place of folders stop everything', async t => {
  const blocks: Record<string, Tree> = {
    'a link to a folder outside': { deep: t.fixture('symlink', '../outside') },
    'a link to nowhere': { deep: { er: t.fixture('symlink', '../../nowhere') } },
    'a link to a folder inside': { other: {}, deep: t.fixture('symlink', 'other') },
    'a file in place of a folder': { deep: 'a file' },
    'a folder in place of a file': { 'a.txt': { inside: '' } },
    'a link in place of a file': { 'a.txt': t.fixture('symlink', '../outside/keep') },
    'a link with the right content': { 'a.txt': t.fixture('symlink', '../source/a.txt') },
  }
  for (const [name, out] of Object.entries(blocks)) {
    t.test(name, async t => {
      const { base, store, version } = await setUp(t, out)
      const root = join(base, 'out')
      const before = readTree(root)
      for (const overwrite of [false, true]) {
        const checkout = checkoutVersion(store, version, root, { overwrite })
        await t.rejects(checkout, { code: 'CHECKOUT_CONFLICT' })
        t.same(readTree(root), before, 'nothing was written')
      }
      t.same(readTree(join(base, 'outside')), { keep: 'outside' })
      t.notOk(existsSync(join(base, 'nowhere')))
    })
  }
})

t.test('the root must be a folder, and may be reached through a link', async t => {
  const { base, store, version } = await setUp(t, {})
  const file = join(base, 'outside', 'keep')
  for (const root of [file, join(file, 'below')]) {
    await t.rejects(checkoutVersion(store, version, root), { code: 'CHECKOUT_CONFLICT' })
  }
  symlinkSync('out', join(base, 'link'))
  t.match(await checkoutVersion(store, version, join(base, 'link')), { written: 5 })
  t.same(readTree(join(base, 'out')), readTree(join(base, 'source')))
})

// No such piece comes into a store; should one be there all the same, nothing is written.
t.test('odd paths in a manifest are refused, and nothing leaves the root', async t => {
  const { base, store } = await setUp(t, {})
  const ingest = store.ingest()
  const [evil] = await ingest.addBytes('blob', [Buffer.from('evil')])
  await ingest.finish()
  const line = (path: string) => `${JSON.stringify({ digest: evil!.digest, path, size: 4 })}\n`
  const outside = join(base, 'outside', 'evil')
  const paths = [
    '../evil',
    'a/../../evil',
    outside,
    './a',
    'a//b',
    'a/',
    '',
    '.',
    '..',
    'a\0b',
    'a\nb',
  ]
  for (const path of [...paths, 'C:/evil', '\ud800', 'x'.repeat(256)]) {
    const manifest = await storePieces(store, [line(path)])
    const root = join(base, 'out')
    const refused = { code: 'INVALID_PATH' }
    await t.rejects(checkoutVersion(store, manifest, root), refused, JSON.stringify(path))
    t.same(readdirSync(root), [])
  }
  const both = await storePieces(store, [line('both') + line('both/below')])
  await t.rejects(checkoutVersion(store, both, join(base, 'both')), { code: 'CHECKOUT_CONFLICT' })
  t.same(readTree(join(base, 'outside')), { keep: 'outside' })
})

t.test('damaged bytes are named and never written', async t => {
  const { base, store, version } = await setUp(t)
  const hasher = await createHasher('xxh128')
  const contents: [string, Buffer][] = [
    ['deep/ü 😀.txt', Buffer.from('unicode')],
    ['large.bin', large],
  ]
  for (const [path, content] of contents) {
    const digest = hashBytes(hasher, content)
    for (const state of ['new', 'there']) {
      await damageBlob(store, digest)
      const root = join(base, `${path.replaceAll('/', '-')} ${state}`)
      if (state === 'there') mkdirSync(root)
      await t.rejects(checkoutVersion(store, version, root), {
        code: 'BLOB_DAMAGED',
        details: { path, digest },
      })
      const left = listTree(root)
      t.notOk(left.includes(path))
      t.same(
        left.filter(name => name.includes('artifact')),
        [],
        'no temporary file is left',
      )
      t.equal(existsSync(root), state === 'there')
      await logTree(store, join(base, 'source'))
      await checkoutVersion(store, version, join(base, `${path.length} ${state} again`))
    }
  }
  t.same(
    readdirSync(base).filter(name => name.includes('artifact')),
    [],
    'no temporary folder is left',
  )
})

t.test('bytes that are gone are named', async t => {
  const { base, store, version } = await setUp(t)
  const digest = hashBytes(await createHasher('xxh128'), large)
  rmSync(objectPath(store.home, digest))
  const missing = { code: 'BLOB_MISSING', details: { path: 'large.bin', digest } }
  await t.rejects(checkoutVersion(store, version, join(base, 'gone')), missing)

  const digests = [`xxh128:${'0'.repeat(32)}`, `sha256:${'0'.repeat(64)}`]
  for (const absent of digests) {
    const line = `${JSON.stringify({ digest: absent, path: 'x', size: 1 })}\n`
    const manifest = await storePieces(store, [line])
    const checkout = checkoutVersion(store, manifest, join(base, 'absent'))
    await t.rejects(checkout, { code: 'BLOB_MISSING', details: { path: 'x', digest: absent } })
  }
  const unknown = { ...version, pieces: [{ digest: version.pieces[0]!.digest, size: 1, count: 1 }] }
  await t.rejects(checkoutVersion(store, unknown, join(base, 'unknown')), { code: 'BLOB_MISSING' })
})

t.test('a file that was added in place is checked out until it changes', async t => {
  const base = t.testdir({ small: 'in place', large })
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  const ingest = store.ingest()
  const files = ['large', 'small'].map(name => join(base, name))
  const stored = await Promise.all(files.map(file => ingest.addFile(file, 'immutable')))
  const entries = stored.map(({ digest, stat }, i) => ({
    path: ['large', 'small'][i]!,
    digest,
    size: stat.size,
  }))
  const manifest = await writeManifest(ingest, 'xxh128', entries)
  const bytes = encodeExternal(
    stored.map(({ digest, stat }, i) => ({ digest, file: files[i]!, ...stat })),
  )
  const [piece] = await ingest.addBytes('blob', [bytes])
  const { packs } = await ingest.finish()
  const external = [{ digest: piece!.digest, size: bytes.length, count: 2 }]
  const log = makeLogRequest('x', 'x', { packs, external, version: { ...manifest } })
  await store.catalog.log(log)

  await checkoutVersion(store, manifest, join(base, 'out'))
  t.same(readTree(join(base, 'out')), { small: 'in place', large: large.toString('latin1') })
  for (const [i, path] of ['large', 'small'].entries()) {
    const content = readFileSync(files[i]!)
    content[0]! ^= 1
    writeFileSync(files[i]!, content)
    const root = join(base, `changed-${path}`)
    await t.rejects(checkoutVersion(store, manifest, root), {
      code: 'BLOB_DAMAGED',
      details: { path },
    })
    t.notOk(existsSync(join(root, path)))
    content[0]! ^= 1
    writeFileSync(files[i]!, content)
  }
  rmSync(files[1]!)
  const root = join(base, 'vanished')
  await t.rejects(checkoutVersion(store, manifest, root), {
    code: 'BLOB_MISSING',
    details: { path: 'small' },
  })
})

t.test('a checkout can be cancelled, and tells how far it came', async t => {
  const { base, store, version } = await setUp(t)
  const seen: unknown[] = []
  const root = join(base, 'new')
  await checkoutVersion(store, version, root, { onProgress: progress => void seen.push(progress) })
  const size = large.length + 'a'.length + 'deep'.length + 'unicode'.length
  const whole = { files: 5, bytes: size, totalFiles: 5, totalBytes: size }
  t.same(seen.at(-1), { step: 'checkout', ...whole })
  const signal = AbortSignal.abort()
  const cancelled = checkoutVersion(store, version, join(base, 'cancelled'), { signal })
  await t.rejects(cancelled, { code: 'INTERRUPTED' })
  t.same(listTree(join(base, 'cancelled')), [])
  mkdirSync(join(base, 'occupied'))
  writeFileSync(join(base, 'occupied', 'x'), '')
  const other = checkoutVersion(store, version, join(base, 'occupied'), { signal })
  await t.rejects(other, { code: 'INTERRUPTED' })
})
