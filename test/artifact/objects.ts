import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { listRows } from '../../fixtures/list-rows.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { useHome } from '../../fixtures/use-home.js'
import { startServer } from '../../server/start-server.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, type Digest, init, PartitionedTable, Table } from '../../src/index.js'

const pair = (value: unknown) => new Table({ columns: ['a', 'b'], data: [[value, 'x']] })

/** An artifact in a store of its own, after `add` filled it. */
async function build(t: Test, add: (artifact: Artifact) => Promise<unknown>) {
  const { folder, home } = useHome(t)
  const artifact = new Artifact({ name: 'tables', type: 'dataset' })
  await add(artifact)
  return { folder, home, artifact }
}

t.test('a table is a file under its name, with its kind', async t => {
  const { folder, artifact } = await build(t, async artifact => {
    const entry = await artifact.add(pair(1), 'parts/table_0')
    t.match(entry, { path: 'parts/table_0.table.json', size: Number })
    t.match(await artifact.add(pair(2), 'again.table.json'), { path: 'again.table.json' })
    const parts = await artifact.add(new PartitionedTable('parts'), 'all')
    t.equal(parts.path, 'all.partitioned-table.json')
  })
  const paths = ['again.table.json', 'all.partitioned-table.json', 'parts/table_0.table.json']
  t.same(await listEntries(artifact), paths)
  const logged = await artifact.save({ project: 'p' })
  const root = await logged.download({ root: join(folder, 'out') })
  t.equal(
    readFileSync(join(root, 'all.partitioned-table.json'), 'utf8'),
    '{"_type": "partitioned-table", "parts_path": "parts"}',
  )
  t.match(JSON.parse(readFileSync(join(root, 'parts/table_0.table.json'), 'utf8')), {
    _type: 'table',
    data: [[1, 'x']],
  })
})

t.test('a table is read from a draft, from what was logged and from what is used', async t => {
  const dates = [
    [new Date(1), null],
    [new Date(2), 12345678901234567890n],
  ]
  const { artifact } = await build(t, async artifact => {
    await artifact.add(new Table({ columns: ['at', 'n'], data: dates }), 'dates')
  })
  const run = await init({ project: 'p' })
  const draft = await artifact.get('dates')
  t.strictSame(await listRows(draft), dates)
  const logged = run.logArtifact(artifact)
  t.strictSame(await listRows(await logged.get('dates')), dates, 'waits until it is committed')
  const used = await run.useArtifact('tables')
  const table = await used.get('dates.table.json')
  t.ok(table instanceof Table)
  t.match(table, { columns: ['at', 'n'], rowCount: 2, logMode: 'IMMUTABLE' })
  t.strictSame(await listRows(table), dates)
  t.strictSame(await listRows(table), dates, 'again')
})

t.test('a large table is read from its object, and ended early', async t => {
  const data = Array.from({ length: 20_000 }, (_, index) => [index, `row ${index}`, index / 8])
  const { artifact } = await build(t, async artifact => {
    const { size } = await artifact.add(new Table({ columns: ['a', 'b', 'c'], data }), 'large')
    t.ok(size > 512 * 1024, 'no pack has it')
  })
  const logged = await artifact.save({ project: 'p' })
  const table = await logged.get('large')
  t.strictSame(await listRows(table), data)
  for await (const row of table.rows()) {
    t.strictSame(row, data[0])
    break
  }
})

t.test('a table is read from another store, which gets it from the server', async t => {
  const { folder, artifact } = await build(t, async artifact => {
    await artifact.add(pair(1), 'parts/a')
    await artifact.add(new PartitionedTable('parts'), 'all')
  })
  const server = await startServer({ home: join(folder, 'server'), host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const here = await init({ project: 'p', remote: server.url })
  await here.logArtifact(artifact).wait()
  const elsewhere = join(folder, 'elsewhere')
  t.teardown(() => sharedStore(elsewhere).close())
  const there = await init({ project: 'p', remote: server.url, home: elsewhere })
  const used = await there.useArtifact('tables')
  t.strictSame(await listRows(await used.get('all')), [[1, 'x']])
})

t.test('a table of another version is added as it is', async t => {
  const { artifact } = await build(t, artifact => artifact.add(pair(1), 'a'))
  const logged = await artifact.save({ project: 'p' })
  const copy = new Artifact({ name: 'copy', type: 'dataset' })
  const entry = await copy.add(await logged.get('a'), 'b')
  for await (const { digest } of logged.entries()) t.equal(entry.digest, digest)
})

t.test('parts are read as one table, in the order of their paths', async t => {
  const { artifact } = await build(t, async artifact => {
    await artifact.add(pair(3), 'parts/b')
    await artifact.add(pair(2), 'parts/a/z')
    await artifact.add(pair(1), 'parts/B')
    await artifact.add(pair(9), 'parts-of-another')
    await artifact.newFile('parts/notes.txt', 'no table')
    await artifact.add(new PartitionedTable('./parts/'), 'all')
  })
  const expected = [
    [1, 'x'],
    [2, 'x'],
    [3, 'x'],
  ]
  t.strictSame(await listRows(await artifact.get('all')), expected)
  const logged = await artifact.save({ project: 'p' })
  const all = await logged.get('all')
  t.ok(all instanceof PartitionedTable)
  t.strictSame(await listRows(all), expected)
  const paths: string[] = []
  for await (const { path } of (all as PartitionedTable).parts()) paths.push(path)
  t.same(paths, ['parts/B.table.json', 'parts/a/z.table.json', 'parts/b.table.json'])
})

t.test('parts that do not fit together are named', async t => {
  const { artifact } = await build(t, async artifact => {
    await artifact.add(pair(1), 'parts/a')
    await artifact.add(new Table({ columns: ['b', 'a'], data: [['x', 1]] }), 'parts/b')
    await artifact.add(new PartitionedTable('parts'), 'all')
    await artifact.add(new PartitionedTable('elsewhere'), 'none')
    await artifact.newFile('odd/a.table.json', '{"_type": "partitioned-table", "parts_path": "b"}')
    await artifact.add(new PartitionedTable('odd'), 'odd')
  })
  const all = await artifact.get('all')
  await t.rejects(listRows(all), {
    code: 'INVALID_TABLE',
    details: { path: 'parts/b.table.json', columns: ['b', 'a'], expected: ['a', 'b'] },
  })
  await t.rejects(listRows(await artifact.get('none')), {
    code: 'ENTRY_NOT_FOUND',
    details: { path: 'elsewhere' },
  })
  await t.rejects(listRows(await artifact.get('odd')), {
    code: 'INVALID_TABLE',
    details: { path: 'odd/a.table.json' },
  })
  await t.rejects(listRows(new PartitionedTable('parts')), { code: 'ARTIFACT_NOT_LOGGED' })
})

t.test('what is no table, or is not there, is told apart', async t => {
  const { folder, artifact } = await build(t, async artifact => {
    await artifact.newFile('text.table.json', 'no JSON')
    await artifact.newFile('joined.table.json', '{"_type": "joined-table"}')
  })
  writeFileSync(join(folder, 'there.table.json'), '{}')
  await artifact.addReference(`file://${folder}/there.table.json`)
  await t.rejects(artifact.get('no'), { code: 'ENTRY_NOT_FOUND' })
  await t.rejects(artifact.get('text'), { code: 'INVALID_TABLE' })
  await t.rejects(artifact.get('joined'), { code: 'INVALID_TABLE', message: /joined-table/ })
  await t.rejects(artifact.get('there'), { code: 'REFERENCE_UNSUPPORTED' })
  await t.rejects(artifact.get('../no'), { code: 'INVALID_PATH' })
})

t.test('bytes that are damaged are told before a row is given', async t => {
  const { home, artifact } = await build(t, artifact => artifact.add(pair(1), 'a'))
  const logged = await artifact.save({ project: 'p' })
  let digest = ''
  for await (const entry of logged.entries()) digest = entry.digest
  await damageBlob(sharedStore(home), digest as Digest)
  await t.rejects(logged.get('a'), { code: 'BLOB_DAMAGED' })
})

t.test('add takes tables, and says how other things are added', async t => {
  const { artifact } = await build(t, async () => {})
  for (const wrong of [{ columns: ['a'] }, 'file.txt', null, [[1]], artifact]) {
    t.throws(() => artifact.add(wrong as never, 'a'), { name: 'TypeError', message: /addFile/ })
  }
  await artifact.add(pair(1), 'a')
  await artifact.save({ project: 'p' })
  t.throws(() => artifact.add(pair(1), 'b'), { code: 'ARTIFACT_FINALIZED' })
})

t.test('two tables of one name conflict, unless one is to replace the other', async t => {
  const { artifact } = await build(t, async artifact => {
    await artifact.add(pair(1), 'a')
    await artifact.add(pair(1), 'a.table.json')
    await artifact.add(pair(2), 'a', { overwrite: true })
  })
  t.strictSame(await listRows(await artifact.get('a')), [[2, 'x']])
  await t.rejects(artifact.add(pair(3), 'a'), { code: 'ENTRY_CONFLICT' })
})

t.test('a table that cannot be read makes the artifact unloggable', async t => {
  const { folder, artifact } = await build(t, async () => {})
  const path = join(folder, 'rows.csv')
  writeFileSync(path, 'a\n1\n')
  const table = await Table.fromCsv(path)
  writeFileSync(path, 'a\n1\n2\n')
  await t.rejects(artifact.add(table, 'rows'), { code: 'FILE_CHANGED' })
  await t.rejects(artifact.save({ project: 'p' }), { code: 'FILE_CHANGED' })
})
