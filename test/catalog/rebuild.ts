import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import {
  collectionOf,
  makeImportRequest,
  makeLogRequest,
} from '../../fixtures/catalog/log-request.js'
import { writeObject } from '../../fixtures/catalog/write-object.js'
import { writePack } from '../../fixtures/catalog/write-pack.js'
import { digestOf } from '../../fixtures/pack/small-records.js'
import type { Catalog, LogRequest } from '../../src/catalog/catalog.js'
import { encodeExternal } from '../../src/catalog/index-external.js'
import type { LevelCatalog } from '../../src/catalog/level-catalog.js'
import { openLevelCatalog } from '../../src/catalog/open-level-catalog.js'
import { salvageJournal } from '../../src/catalog/salvage-journal.js'
import { homePaths, objectPath, packPath } from '../../src/model/home.js'

const STORE_ID = 'f'.repeat(32)
const RUN = { id: 'r', project: 'p', name: 'a run' }

const externalPiece = encodeExternal([
  { digest: digestOf('md5', 'outside'), file: '/x', size: 7, mtimeNs: '1', ctimeNs: '2', ino: '3' },
])

async function openIndex(home: string): Promise<LevelCatalog> {
  return (await openLevelCatalog(home, { clock: () => new Date(0) }))!
}

/** Some of everything that a catalog holds, in two parts. */
async function commitFirst(catalog: Catalog, home: string): Promise<void> {
  await writePack(home, 'aa00000000000000', ['in the first pack', externalPiece])
  const external = { digest: digestOf('md5', externalPiece), size: externalPiece.length, count: 1 }
  const packs = ['aa00000000000000']
  const log = makeLogRequest('cats', 'a', { aliases: ['best'], packs, external: [external] })
  await catalog.log({ ...log, version: { ...log.version, run: RUN } })
  const version = { ...collectionOf('cats'), id: log.version.id, type: 'dataset' }
  await catalog.use({
    logId: 'a use',
    run: { ...RUN, id: 'user' },
    version,
    target: { remote: null },
  })
  await catalog.log(makeLogRequest('whole', 'b', { complete: true, target: undefined }))
  for (let i = 0; i < 30; i += 1) await catalog.log(makeLogRequest('many', `${i}`))
}

async function commitMore(catalog: Catalog, home: string): Promise<void> {
  await writePack(home, 'bb00000000000000', ['in the second pack'])
  const object = { kind: 'blob' as const, digest: digestOf('md5', 'an object'), size: 9 }
  mkdirSync(dirname(objectPath(home, object.digest)), { recursive: true })
  writeFileSync(objectPath(home, object.digest), 'an object')
  const bytes = { packs: ['bb00000000000000'], objects: [object] }
  await catalog.log(makeLogRequest('cats', 'c', { aliases: ['best'], ...bytes }))
  await catalog.log(makeLogRequest('cats', 'c', { aliases: ['same'], version: { run: RUN } }))
  await catalog.import(makeImportRequest('cats', 'theirs', { number: 0, aliases: ['remote'] }))
  const many = await catalog.listVersions(collectionOf('many'))
  const versions = many.items.slice(20).map(({ id, number }) => ({ id, number }))
  const names = { ...collectionOf('many'), type: 'dataset', deleteAliases: false }
  await catalog.delete({ logId: 'a deletion', ...names, versions, target: { remote: null } })
  await catalog.skip({ ...collectionOf('skipped'), logId: 'x', versionId: 'y', type: 'dataset' })
  const [first] = (await catalog.listPending()).items
  await catalog.settle(STORE_ID, [{ seq: first!.seq, number: 1 }])
  const { aliases: _, ...late } = makeLogRequest('parts', 'late')
  const { id } = await catalog.upsert({ ...late, distributedId: 'g' })
  const part = (await catalog.listPending()).items.find(({ versionId }) => versionId === id)
  await catalog.setPendingError(part!.seq, { code: 'ARTIFACT_FINALIZED', message: 'late' })
  await catalog.dropPart(id)
  for (let i = 30; i < 60; i += 1) await catalog.log(makeLogRequest('many', `${i}`))
}

/** Everything that can be asked, for comparison. */
async function snapshot(catalog: Catalog) {
  const { items: versions } = await catalog.listVersions({})
  const { items: pending } = await catalog.listPending()
  const contents = ['in the first pack', 'in the second pack', 'an object', externalPiece]
  const deletion = pending.find(({ kind }) => kind === 'delete')
  return {
    versions,
    deleted: await catalog.findDeleted([...(deletion?.ids ?? []), 'y']),
    whole: await Promise.all(versions.map(({ id }) => catalog.getVersion(id))),
    external: await Promise.all(versions.map(({ id }) => catalog.getExternal(id))),
    pending,
    edges: await catalog.listEdges([
      { role: 'output', run: RUN },
      ...versions.flatMap(({ id }) => [
        { role: 'output' as const, versionId: id },
        { role: 'input' as const, versionId: id },
      ]),
    ]),
    locations: await catalog.locate(
      contents.map(content => ({ kind: 'blob', digest: digestOf('md5', content) })),
    ),
    outside: await catalog.locateExternal([digestOf('md5', 'outside')]),
    complete: await catalog.listComplete(
      ['a', 'b'].map(content => makeLogRequest('cats', content).version.pieces[0]!.digest),
    ),
    renumbered: await catalog.findVersion(collectionOf('cats'), { kind: 'number', number: 0 }).then(
      () => null,
      ({ code, details }) => ({ code, details }),
    ),
  }
}

const catalogFiles = (home: string, pattern: RegExp) =>
  readdirSync(homePaths(home).catalog)
    .filter(name => pattern.test(name))
    .map(name => join(homePaths(home).catalog, name))

type Damage = (home: string, early: string) => void

const damages: Record<string, Damage> = {
  'is deleted': home => rmSync(homePaths(home).catalog, { recursive: true }),
  'is emptied': home => {
    for (const file of catalogFiles(home, /./)) rmSync(file)
  },
  'lost CURRENT': home => rmSync(join(homePaths(home).catalog, 'CURRENT')),
  'has a damaged CURRENT': home =>
    writeFileSync(join(homePaths(home).catalog, 'CURRENT'), 'nothing\n'),
  'has an empty CURRENT': home => writeFileSync(join(homePaths(home).catalog, 'CURRENT'), ''),
  'lost its manifest': home => {
    for (const file of catalogFiles(home, /^MANIFEST/)) rmSync(file)
  },
  'has a damaged manifest': home => {
    for (const file of catalogFiles(home, /^MANIFEST/)) {
      const bytes = readFileSync(file)
      writeFileSync(file, bytes.fill(0x55, bytes.length >> 1))
    }
  },
  'lost its tables': home => {
    for (const file of catalogFiles(home, /\.ldb$/)) rmSync(file)
  },
  'is of an older day': (home, early) => {
    rmSync(homePaths(home).catalog, { recursive: true })
    cpSync(early, homePaths(home).catalog, { recursive: true })
  },
}

for (const [name, damage] of Object.entries(damages)) {
  t.test(`nothing is lost when the catalog ${name}`, async t => {
    const base = t.testdir({ home: {} })
    const home = join(base, 'home')
    let catalog = await openIndex(home)
    await commitFirst(catalog, home)
    await catalog.close()
    cpSync(homePaths(home).catalog, join(base, 'early'), { recursive: true })
    // Opening moves what was written before into a table.
    catalog = await openIndex(home)
    await commitMore(catalog, home)
    const before = await snapshot(catalog)
    t.equal(before.versions.length, 54)
    t.equal(before.deleted.filter(Boolean).length, 11)
    t.equal(before.renumbered?.code, 'VERSION_RENUMBERED')
    t.ok(before.locations.every(Boolean))
    t.same(before.outside[0]?.[0]?.file, '/x')
    await catalog.close()

    damage(home, join(base, 'early'))
    catalog = await openIndex(home)
    t.same(await snapshot(catalog), before)
    t.match(await catalog.log(makeLogRequest('many', 'next')), { number: 60 })
    await catalog.close()

    catalog = await openIndex(home)
    t.equal((await catalog.listVersions({})).items.length, 55)
    await catalog.close()
  })
}

const logDamages: Record<string, (log: Buffer, part: number) => void> = {
  'one flipped bit': (log, part) => {
    log[Math.floor(log.length * part)]! ^= 1
  },
  // What a power loss leaves of a page that was not written: LevelDB passes over it in silence.
  'a page of zeros': (log, part) => {
    const page = Math.floor((log.length * part) / 4096)
    log.fill(0, page * 4096, (page + 1) * 4096)
  },
}

for (const [name, damage] of Object.entries(logDamages)) {
  t.test(`${name} in the write-ahead log of the catalog loses nothing`, async t => {
    const base = t.testdir({ home: {} })
    const home = join(base, 'home')
    const catalog = await openIndex(home)
    const logs: LogRequest[] = Array.from({ length: 200 }, (_, i) => makeLogRequest('cats', `${i}`))
    for (const log of logs) await catalog.log(log)
    await catalog.close()
    const log = catalogFiles(home, /\.log$/).find(file => readFileSync(file).length > 100_000)
    t.ok(log, 'the commits are in one file')
    const bytes = readFileSync(log!)
    for (const part of [0.1, 0.5, 0.9]) {
      const copy = join(base, `copy-${part}`)
      cpSync(home, copy, { recursive: true })
      const damaged = Buffer.from(bytes)
      damage(damaged, part)
      writeFileSync(log!.replace(home, copy), damaged)
      const rebuilt = await openIndex(copy)
      for (const [number, { version }] of logs.entries()) {
        const found = await rebuilt.getVersion(version.id)
        if (found?.number !== number) t.fail(`v${number} is lost`)
      }
      t.match(await rebuilt.log(makeLogRequest('cats', 'next')), { number: 200 })
      await rebuilt.close()
    }
  })
}

t.test('a journal that ends before what the catalog knows is damaged', async t => {
  const base = t.testdir({ home: {} })
  const home = join(base, 'home')
  let catalog = await openIndex(home)
  await catalog.log(makeLogRequest('cats', 'a'))
  await catalog.close()
  const { journal } = homePaths(home)
  cpSync(journal, join(base, 'journal'), { recursive: true })
  catalog = await openIndex(home)
  await catalog.log(makeLogRequest('cats', 'b'))
  await catalog.close()

  rmSync(join(journal, '2.log'))
  const details = { path: journal, record: 2, last: 2 }
  for (let i = 0; i < 2; i += 1) {
    await t.rejects(openIndex(home), { code: 'STORE_DAMAGED', details })
  }
  const result = await salvageJournal(home)
  t.match(result, { lost: [{ first: 2, last: 2 }], versions: [{ name: 'cats', number: 1 }] })
  catalog = await openIndex(home)
  t.equal((await catalog.listVersions({})).items.length, 1)
  t.match(await catalog.log(makeLogRequest('cats', 'c')), { number: 1 })
  await catalog.close()
  t.equal(await salvageJournal(home), null)
})

t.test('a pack with a damaged header, index or record is read as far as it tells', async t => {
  const home = t.testdir()
  const packId = 'cc00000000000000'
  let catalog = await openIndex(home)
  await commitFirst(catalog, home)
  await commitMore(catalog, home)
  await writePack(home, packId, ['one', 'two', 'three'])
  await catalog.log(makeLogRequest('cats', 'd', { packs: [packId] }))
  await catalog.close()
  const pack = packPath(home, packId)
  const whole = readFileSync(pack)
  // Where it begins, in the second record, and in the footer.
  const second = 64 + 28 + 16 + 'one'.length + 4
  const damages: [number[], string[]][] = [
    [[3], ['one', 'two', 'three']],
    [[whole.length - 5], ['one', 'two', 'three']],
    [[second + 3], ['one', 'two', 'three']],
    [[3, whole.length - 5, second + 3], ['one']],
  ]
  for (const [flips, listed] of damages) {
    const bytes = Buffer.from(whole)
    for (const at of flips) bytes[at]! ^= 1
    rmSync(pack)
    writeFileSync(pack, bytes)
    rmSync(homePaths(home).catalog, { recursive: true })
    catalog = await openIndex(home)
    t.equal((await catalog.listVersions({})).items.length, 55)
    const contents = ['one', 'two', 'three', 'in the second pack']
    const refs = contents.map(content => ({
      kind: 'blob' as const,
      digest: digestOf('md5', content),
    }))
    const found = await catalog.locate(refs)
    const names = contents.filter((_, index) => found[index])
    t.same(names, [...listed, 'in the second pack'], `damage at ${flips}`)
    await catalog.close()
  }
})

t.test('what was removed is not found again after a rebuild, and a copy of it is', async t => {
  const home = t.testdir()
  const refOf = (content: string) => ({
    kind: 'blob' as const,
    digest: digestOf('md5', content),
    size: content.length,
  })
  const refs = ['lost', 'copied', 'whole', 'gone object', 'new object'].map(refOf)
  let catalog = await openIndex(home)
  await writePack(home, 'cc00000000000000', ['lost', 'copied', 'whole'])
  const objects = refs.slice(3)
  const files = objects.map(({ digest }) => writeObject(home, digest))
  await catalog.log(makeLogRequest('cats', 'a', { packs: ['cc00000000000000'], objects }))
  for (const file of files) rmSync(file)
  const locations = await catalog.locate(refs)
  const places = refs.map((key, index) => ({ key, location: locations[index]! }))
  await catalog.remove({ places: places.filter(({ key }) => key !== refs[2]) })
  // Of the journal alone, the index being one of before, or none.
  await catalog.close()
  await writePack(home, 'aa00000000000000', ['copied'])
  writeFileSync(objectPath(home, refs[4]!.digest), 'new object')
  rmSync(homePaths(home).catalog, { recursive: true })

  catalog = await openIndex(home)
  t.match(await catalog.locate(refs), [
    null,
    { packId: 'aa00000000000000' },
    { packId: 'cc00000000000000' },
    null,
    { in: 'object' },
  ])
  await catalog.close()
})

t.test('an index of before a removal of files points to none of them', async t => {
  const home = t.testdir()
  const names = ['removed', 'copied', 'kept']
  const refs = [...names, 'object', 'new object'].map(content => ({
    kind: 'blob' as const,
    digest: digestOf('md5', content),
    size: content.length,
  }))
  const objects = refs.slice(3)
  let catalog = await openIndex(home)
  await writePack(home, 'cc00000000000000', ['removed', 'copied'])
  await writePack(home, 'dd00000000000000', ['kept'])
  for (const { digest } of objects) writeObject(home, digest)
  const packs = ['cc00000000000000', 'dd00000000000000']
  await catalog.log(makeLogRequest('cats', 'a', { packs, objects }))
  await catalog.close()
  cpSync(homePaths(home).catalog, join(home, 'before'), { recursive: true })

  catalog = await openIndex(home)
  const sweep = await catalog.beginSweep()
  await writePack(home, 'aa00000000000000', ['copied'])
  const removed = { packs: ['cc00000000000000'], objects }
  t.same(await catalog.removeFiles({ sweep, ...removed }), removed)
  await catalog.close()
  writeObject(home, objects[1]!.digest)

  for (const index of ['old', 'none']) {
    rmSync(homePaths(home).catalog, { recursive: true })
    if (index === 'old') renameSync(join(home, 'before'), homePaths(home).catalog)
    catalog = await openIndex(home)
    t.match(
      await catalog.locate(refs),
      [
        null,
        { packId: 'aa00000000000000' },
        { packId: 'dd00000000000000' },
        null,
        { in: 'object' },
      ],
      index,
    )
    await t.rejects(catalog.addPack('cc00000000000000'), { code: 'BLOB_MISSING' })
    await catalog.close()
  }
})

t.test('a damaged journal keeps the catalog shut and untouched', async t => {
  const home = t.testdir()
  const catalog = await openIndex(home)
  for (const content of ['a', 'b', 'c']) await catalog.log(makeLogRequest('cats', content))
  await catalog.close()
  const path = join(homePaths(home).journal, '1.log')
  const bytes = readFileSync(path)
  const damaged = Buffer.from(bytes)
  damaged[60]! ^= 1
  writeFileSync(path, damaged)
  for (let i = 0; i < 2; i += 1) {
    await t.rejects(openIndex(home), { code: 'STORE_DAMAGED', details: { path, record: 1 } })
  }
  writeFileSync(path, bytes)
  const again = await openIndex(home)
  t.equal((await again.listVersions({})).items.length, 3)
  await again.close()
})
