import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { collectionOf } from '../../fixtures/catalog/log-request.js'
import { writeSmallJournal } from '../../fixtures/golden/small-journal.js'
import { writeSmallPack } from '../../fixtures/golden/small-pack.js'
import { digestOf } from '../../fixtures/pack/small-records.js'
import { readJournal } from '../../src/catalog/journal.js'
import { openLevelCatalog } from '../../src/catalog/open-level-catalog.js'
import { homePaths, packPath } from '../../src/model/home.js'
import { openStore } from '../../src/store/store.js'

const golden = (name: string) => new URL(`../../../fixtures/golden/${name}`, import.meta.url)

t.test('the journal is written as in the golden file', async t => {
  const home = t.testdir()
  await writeSmallJournal(home)
  t.same(readdirSync(homePaths(home).journal), ['1.log'])
  const written = readFileSync(join(homePaths(home).journal, '1.log'))
  t.equal(written.toString('latin1'), readFileSync(golden('small-journal.log'), 'latin1'))
})

t.test('the golden journal is read as what it was made of', async t => {
  const home = t.testdir({ journal: {}, packs: { '01': {} } })
  cpSync(golden('small-journal.log'), join(homePaths(home).journal, '1.log'))
  const { records } = readJournal(homePaths(home).journal)
  t.same(
    records.map(({ seq, record }) => `${seq} ${record.t}`),
    [
      ...['1 version', '2 alias', '3 version', '4 version', '5 alias', '6 import', '7 settled'],
      ...['8 removed', '9 upsert', '10 close', '11 finish', '12 upsert', '13 close', '14 finish'],
      ...['15 use', '16 alias', '17 evicted', '18 collected'],
      ...['19 edit', '20 edit', '21 delete', '22 skip'],
    ],
  )
  t.same(new Set(records.map(({ record }) => record.at)), new Set(['2025-03-04T05:06:07.890Z']))
  await writeSmallPack(packPath(home, '0123456789abcdef'))
  const catalog = (await openLevelCatalog(home))!
  const { items } = await catalog.listVersions({})
  t.match(items, [
    { name: 'cats', number: 0, id: 'e'.repeat(32), aliases: ['remote'] },
    { name: 'cats', number: 1, id: 'a'.repeat(32), aliases: ['again', 'best'], state: 'synced' },
    { name: 'cats', number: 2, id: 'c'.repeat(32), aliases: ['latest', 'prod'], evicted: true },
    { name: 'parts', number: 0, aliases: ['best', 'latest'], state: 'pending' },
    { name: 'served', number: 0, aliases: ['latest', 'stable'], description: 'text', tags: ['t'] },
  ])
  t.equal(items.length, 5)
  t.match((await catalog.listPending()).items, [
    { seq: 11, kind: 'version', name: 'parts' },
    { seq: 12, kind: 'upsert', distributedId: 'h' },
    { seq: 14, kind: 'finish', distributedId: 'h', onConflict: 'last' },
    { seq: 15, kind: 'use', versionId: 'a'.repeat(32), run: { id: 'run2', project: 'q' } },
    { seq: 16, kind: 'alias', versionId: 'c'.repeat(32), aliases: [], run: { id: 'run2' } },
    { seq: 20, kind: 'edit', versionId: 'c'.repeat(32), aliases: ['prod', 'remote'] },
    { seq: 21, kind: 'delete', ids: ['ef'.repeat(16)], deleteAliases: false },
  ])
  t.match((await catalog.listConflicts({})).items, [
    { name: 'cats', field: 'alias', alias: 'prod', found: null },
    { name: 'cats', field: 'alias', alias: 'remote', found: 'v0' },
    { name: 'served', field: 'description', found: null },
  ])
  const renumbered = catalog.findVersion(collectionOf('cats'), { kind: 'number', number: 0 })
  await t.rejects(renumbered, { code: 'VERSION_RENUMBERED' })
  const hello = { kind: 'blob' as const, digest: digestOf('md5', 'hello') }
  const other = { ...hello, digest: 'xxh128:b5e9c1ad071b3e7fc779cfaa5e523818' as const }
  t.match(await catalog.locate([hello, other]), [null, { in: 'pack' }], 'one was removed')
  await catalog.close()
})

t.test('store.json is written and read as the golden file', async t => {
  const base = t.testdir({ old: {} })
  const text = readFileSync(golden('store.json'), 'utf8')
  const { id, createdAt, checksum } = JSON.parse(text)

  const fresh = openStore(join(base, 'new'), { algorithm: 'md5' })
  const path = homePaths(fresh.home).store
  const written = readFileSync(path, 'utf8')
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.same(readdirSync(fresh.home), ['store.json'])
  const made = JSON.parse(written)
  t.equal(made.id, fresh.id)
  t.ok(Math.abs(Date.parse(made.createdAt) - statSync(path).mtimeMs) < 60_000)
  t.equal(
    written
      .replace(made.id, id)
      .replace(made.createdAt, createdAt)
      .replace(made.checksum, checksum),
    text,
  )
  await fresh.close()

  const old = join(base, 'old')
  cpSync(golden('store.json'), homePaths(old).store)
  const store = openStore(old)
  t.match(store, { id, algorithm: 'md5' })
  await store.close()
  t.throws(() => openStore(old, { algorithm: 'xxh128' }), { code: 'INVALID_CONFIG' })
  t.equal(readFileSync(homePaths(old).store, 'utf8'), text)
})

t.test('a store.json of another format or without sense is refused and left alone', async t => {
  const base = t.testdir()
  const text = readFileSync(golden('store.json'), 'utf8')
  const cases: [string, string][] = [
    [text.replace('"format": 1', '"format": 2'), 'STORE_UNSUPPORTED'],
    [text.replace('"format": 1,', ''), 'STORE_UNSUPPORTED'],
    [text.slice(0, 40), 'STORE_DAMAGED'],
    ['', 'STORE_DAMAGED'],
    ['null', 'STORE_UNSUPPORTED'],
    [text.replace('0011', 'XYZ'), 'STORE_DAMAGED'],
    [text.replace('md5', 'crc32'), 'STORE_DAMAGED'],
    [text.replace('md5', 'sha256'), 'STORE_DAMAGED'],
    [text.replace('0011', '0012'), 'STORE_DAMAGED'],
  ]
  for (const [i, [content, code]] of cases.entries()) {
    const home = join(base, `${i}`)
    mkdirSync(home)
    writeFileSync(homePaths(home).store, content)
    t.throws(() => openStore(home), { code }, JSON.stringify(content))
    t.same(readdirSync(home), ['store.json'])
    t.equal(readFileSync(homePaths(home).store, 'utf8'), content)
  }
})
