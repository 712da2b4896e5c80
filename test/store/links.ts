import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { mountImage } from '../../fixtures/mount-image.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { listStored } from '../../fixtures/store/list-stored.js'
import { logTree } from '../../fixtures/store/log-tree.js'
import { ArtifactError } from '../../src/errors.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { homePaths, objectPath } from '../../src/model/home.js'
import { encodePackStream } from '../../src/pack/encode-pack-stream.js'
import { parsePackStream } from '../../src/pack/parse-pack-stream.js'
import { checkExposed } from '../../src/store/check-exposed.js'
import { checkoutVersion } from '../../src/store/checkout.js'
import { LINK_MODES } from '../../src/store/object-linker.js'
import { isTrusted } from '../../src/store/object-trust.js'
import { openRecords } from '../../src/store/open-records.js'
import { receiveRecords } from '../../src/store/receive-records.js'
import { openStore, type Store } from '../../src/store/store.js'
import { type VerifyResult, verifyFolder, verifyInStore } from '../../src/store/verify.js'

const large = Buffer.alloc(600_000, 'large ')
const digest = hashBytes(await createHasher('xxh128'), large)
const key = { kind: 'blob' as const, digest, size: large.length }

/** A version with a small file and two large ones of the same content, in `base`. */
async function setUp(t: Test, base = t.testdir({})) {
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'small.txt'), 'small')
  writeFileSync(join(source, 'large.bin'), large)
  writeFileSync(join(source, 'twin.bin'), large)
  const store = openStore(join(base, 'home'))
  t.teardown(() => store.close())
  const version = await logTree(store, source)
  const object = objectPath(store.home, digest)
  const out = (name: string) => join(base, name)
  return { base, source, store, version, object, out }
}

/** Changes one byte through a link, as whoever may write to the file does. */
function editInPlace(file: string): void {
  const { atime, mtime } = statSync(file)
  chmodSync(file, 0o644)
  const bytes = readFileSync(file)
  bytes[5]! ^= 1
  writeFileSync(file, bytes)
  utimesSync(file, atime, mtime)
}

/** @throws what is wrong first. */
async function expectWhole(verified: Promise<VerifyResult>): Promise<void> {
  const [first] = (await verified).problems
  if (first) throw new ArtifactError('BLOB_DAMAGED', first.message)
}

async function readRecords(store: Store): Promise<void> {
  for await (const _ of encodePackStream(openRecords(store, [key], { require: true })));
}

t.test('hard links and symbolic links lead to objects; small files are copied', async t => {
  const { store, version, object, out } = await setUp(t)
  await checkoutVersion(store, version, out('hard'), { link: 'hardlink' })
  for (const name of ['large.bin', 'twin.bin']) {
    t.equal(statSync(join(out('hard'), name)).ino, statSync(object).ino)
  }
  t.equal(statSync(object).nlink, 3)
  t.equal(statSync(join(out('hard'), 'large.bin')).mode & 0o777, 0o444)
  const small = statSync(join(out('hard'), 'small.txt'))
  t.match(
    { nlink: small.nlink, writable: (small.mode & 0o200) !== 0 },
    { nlink: 1, writable: true },
  )

  await checkoutVersion(store, version, out('soft'), { link: 'symlink' })
  t.equal(readlinkSync(join(out('soft'), 'twin.bin')), object)
  t.notOk(lstatSync(join(out('soft'), 'small.txt')).isSymbolicLink())
  t.same((await verifyFolder(store, version, out('soft'))).problems, [])
  t.same((await verifyFolder(store, version, out('hard'))).problems, [])
})

t.test('links are kept, replaced and made into copies like files', async t => {
  const { base, store, version, out } = await setUp(t)
  const other = join(base, 'other')
  mkdirSync(other)
  const changed = Buffer.alloc(700_000, 'other ')
  writeFileSync(join(other, 'large.bin'), changed)
  const next = await logTree(store, other)
  for (const link of ['hardlink', 'symlink'] as const) {
    const root = out(link)
    mkdirSync(root)
    t.match(await checkoutVersion(store, version, root, { link }), { written: 3, kept: 0 })
    t.match(await checkoutVersion(store, version, root, { link }), { written: 0, kept: 3 })
    t.match(await checkoutVersion(store, version, root), { written: 0, kept: 3 })
    t.match(await checkoutVersion(store, next, root, { link }), { written: 1, kept: 0 })
    t.same(readFileSync(join(root, 'large.bin')), changed)
    t.match(await checkoutVersion(store, version, root, { link: 'copy' }), { written: 1, kept: 2 })
    const copied = lstatSync(join(root, 'large.bin'))
    t.match({ nlink: copied.nlink, file: copied.isFile() }, { nlink: 1, file: true })
    t.same(readFileSync(join(root, 'large.bin')), large)
    t.same(readdirSync(root), ['large.bin', 'small.txt', 'twin.bin'], 'nothing else is left')
  }
  t.same(readFileSync(objectPath(store.home, digest)), large, 'the objects stay as they were')
})

t.test('what is linked is as it was stored, or is hashed', async t => {
  const ways: [string, Parameters<typeof checkoutVersion>[3], string | undefined][] = [
    ['trusted', { link: 'symlink' }, undefined],
    ['verified', { link: 'hardlink', verify: true }, 'BLOB_DAMAGED'],
    ['copied', { link: 'copy' }, 'BLOB_DAMAGED'],
  ]
  for (const [name, options, code] of ways) {
    const { store, version, object, out } = await setUp(t, t.testdir({}))
    t.ok(isTrusted(store.home, key))
    // Only whoever may write into the store can do this: the stat is as it was, so it is trusted.
    editInPlace(object)
    t.ok(isTrusted(store.home, key))
    const checkout = checkoutVersion(store, version, out('out'), options)
    if (code) await t.rejects(checkout, { code, details: { path: 'large.bin', digest } }, name)
    else await checkout
    t.equal(existsSync(out('out')), code === undefined)
    await store.close()
  }
})

t.test('an object that was written to, or is gone, is not linked', async t => {
  for (const link of ['reflink', 'hardlink', 'symlink'] as const) {
    const { store, version, out } = await setUp(t, t.testdir({}))
    await damageBlob(store, digest)
    t.notOk(isTrusted(store.home, key))
    for (const code of ['BLOB_DAMAGED', 'BLOB_MISSING']) {
      const checkout = checkoutVersion(store, version, out('out'), { link })
      await t.rejects(checkout, { code, details: { path: 'large.bin' } }, `${link} ${code}`)
      t.notOk(existsSync(out('out')))
    }
    await store.close()
  }
})

t.test('an edit in place through a link is found before the bytes are used', async t => {
  for (const link of ['hardlink', 'symlink'] as const) {
    const uses: [string, (made: Awaited<ReturnType<typeof setUp>>) => Promise<unknown>][] = [
      ['sent', ({ store }) => readRecords(store)],
      ['verified', ({ store, version }) => expectWhole(verifyInStore(store, version))],
      ...LINK_MODES.map(how => {
        const use = ({ store, version, out }: Awaited<ReturnType<typeof setUp>>) =>
          checkoutVersion(store, version, out('new'), { link: how })
        return [how, use] as [string, typeof use]
      }),
    ]
    for (const [how, use] of uses) {
      t.test(`${link}, ${how}`, async t => {
        const made = await setUp(t)
        const { store, version, object, out } = made
        await checkoutVersion(store, version, out('linked'), { link })
        t.equal(readdirSync(homePaths(store.home).exposed).length, 1, 'it is marked as exposed')
        t.notOk(isTrusted(store.home, key), 'it is hashed before it is used')
        t.same(await checkExposed(store), [], 'untouched, it is whole')
        const file = join(out('linked'), 'large.bin')
        editInPlace(file)
        t.not(readFileSync(object)[5], large[5])
        const there = checkoutVersion(store, version, out('linked'), { link })
        await t.rejects(there, { code: 'CHECKOUT_CONFLICT' }, 'the edit is not thrown away')
        await t.rejects(use(made), { code: 'BLOB_DAMAGED' })
        t.notOk(existsSync(out('new')))
        t.notOk(existsSync(object), 'what was edited is moved aside')
        t.equal(existsSync(file), link === 'hardlink', 'a hard link keeps it')
      })
    }
  }
})

t.test('what was edited in place does not count as there, whatever its length', async t => {
  for (const more of ['', 'appended']) {
    const { store, version, source, object, out } = await setUp(t, t.testdir({}))
    await checkoutVersion(store, version, out('linked'), { link: 'hardlink' })
    const file = join(out('linked'), 'large.bin')
    if (more) appendFileSync(file, more)
    else editInPlace(file)
    t.same(await checkExposed(store), [key])
    t.same(await checkExposed(store), [])
    const ingest = store.ingest()
    t.match(await ingest.addFile(join(source, 'large.bin'), 'mutable'), { isNew: true })
    await ingest.finish()
    t.same(readFileSync(object), large)
    await store.close()
  }
})

t.test('an exposed object stays so when the index is built again', async t => {
  const { store, version, out } = await setUp(t)
  await checkoutVersion(store, version, out('linked'), { link: 'symlink' })
  await store.close()
  rmSync(homePaths(store.home).catalog, { recursive: true })
  const reopened = openStore(store.home)
  t.teardown(() => reopened.close())
  editInPlace(join(out('linked'), 'large.bin'))
  t.same(await checkExposed(reopened), [key])
})

t.test('an exposed object that was hashed and is not touched is trusted again', async t => {
  const { store, version, object, out } = await setUp(t)
  await checkoutVersion(store, version, out('linked'), { link: 'symlink' })
  await checkExposed(store)
  t.notOk(isTrusted(store.home, key), 'it changed too shortly before')
  const [mark] = readdirSync(homePaths(store.home).exposed)
  const { ino, size, mtimeNs, ctimeNs } = statSync(object, { bigint: true })
  const path = join(homePaths(store.home).exposed, mark!)
  writeFileSync(path, `${ino} ${size} ${mtimeNs} ${ctimeNs}\n`)
  t.ok(isTrusted(store.home, key))
  editInPlace(object)
  t.notOk(isTrusted(store.home, key), 'setting the mtime back does not help')
})

t.test('copies are made where the file system makes no clones', async t => {
  const { store, version, object, out } = await setUp(t)
  await checkoutVersion(store, version, out('default'))
  const file = statSync(join(out('default'), 'large.bin'))
  t.not(file.ino, statSync(object).ino)
  t.equal(file.mode & 0o777, statSync(join(out('default'), 'small.txt')).mode & 0o777)
  appendFileSync(join(out('default'), 'large.bin'), 'x')
  t.same(readFileSync(object), large)
  t.same(listStored(store.home).objects, [object])
})

t.test('clones share their blocks and are files of their own', async t => {
  const { folder, skip } = mountImage(t, 'xfs')
  if (skip !== undefined) return t.plan(0, skip)
  const { base, store, version, object, out } = await setUp(t, folder)
  const huge = Buffer.alloc(64 * 2 ** 20, 'huge')
  mkdirSync(join(base, 'more'))
  writeFileSync(join(base, 'more', 'huge.bin'), huge)
  const more = await logTree(store, join(base, 'more'))
  const free = () => statfsSync(base).bfree * statfsSync(base).bsize
  const before = free()
  await checkoutVersion(store, more, out('clone'))
  await checkoutVersion(store, more, out('verified'), { link: 'reflink', verify: true })
  t.ok(before - free() < 2 ** 20, 'two clones of 64 MiB take less than 1 MiB')
  for (const name of ['clone', 'verified']) {
    t.same(readFileSync(join(out(name), 'huge.bin')), huge)
  }

  await checkoutVersion(store, version, out('small'))
  const file = statSync(join(out('small'), 'large.bin'))
  t.equal(file.mode & 0o777, statSync(join(out('small'), 'small.txt')).mode & 0o777)
  t.ok(file.mtimeMs > Date.now() - 600_000, 'it is as old as a copy would be')
  appendFileSync(join(out('small'), 'large.bin'), 'x')
  t.same(readFileSync(object), large, 'the object does not change with it')
  t.ok(isTrusted(store.home, key))

  await damageBlob(store, digest)
  await t.rejects(checkoutVersion(store, version, out('damaged')), {
    code: 'BLOB_DAMAGED',
    details: { path: 'large.bin' },
  })
  t.notOk(existsSync(out('damaged')))
})

t.test('a link to another file system is refused', async t => {
  const { folder, skip } = mountImage(t, 'xfs')
  if (skip !== undefined) return t.plan(0, skip)
  const { store, version } = await setUp(t)
  const root = join(folder, 'out')
  const hard = checkoutVersion(store, version, root, { link: 'hardlink' })
  await t.rejects(hard, { code: 'LINK_REFUSED' })
  t.notOk(existsSync(root))
  await checkoutVersion(store, version, root, { link: 'symlink' })
  t.same(readFileSync(join(root, 'large.bin')), large)
  await checkoutVersion(store, version, join(folder, 'default'))
  t.same(readFileSync(join(folder, 'default', 'large.bin')), large)
})

t.test('what was received is trusted like what was logged', async t => {
  const { store, out } = await setUp(t)
  const other = openStore(out('other'))
  t.teardown(() => other.close())
  const records = parsePackStream(encodePackStream(openRecords(store, [key])))
  t.match(await receiveRecords(other, records), { stored: 1, rejected: [] })
  t.ok(isTrusted(other.home, key))
})
