import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetWriteFile } from 'hyparquet-writer'
import t, { type Test } from 'tap'
import { listRows } from '../../fixtures/list-rows.js'
import { type CsvTableOptions, Table } from '../../src/index.js'

async function readCsv(t: Test, text: string, options?: CsvTableOptions): Promise<Table> {
  return Table.fromCsv(join(t.testdir({ 'rows.csv': text }), 'rows.csv'), options)
}

function typesOf(table: Table): (string | undefined)[] {
  return table.columns.map(name => {
    const type = table.columnTypes[name]!
    if (type.wb_type !== 'union') return type.wb_type
    return type.params.allowed_types.find(({ wb_type }) => wb_type !== 'none')?.wb_type
  })
}

t.test('CSV: a column has the type that all its fields have', async t => {
  const table = await readCsv(
    t,
    '\ufeffn,s,b,zip,big,none,mixed\r\n' +
      '1,"a ""b"", c",true,01234,12345678901234567890,,1\r\n' +
      '\r\n' +
      ',,,,,,x\r\n' +
      '-2.5e3,"two\nlines",false,99999,7,,true\r\n',
  )
  t.same(table.columns, ['n', 's', 'b', 'zip', 'big', 'none', 'mixed'])
  t.equal(table.rowCount, 3)
  t.same(typesOf(table), ['number', 'string', 'boolean', 'string', 'number', 'unknown', 'string'])
  const expected = [
    [1, 'a "b", c', true, '01234', 12345678901234567890n, null, '1'],
    [null, '', null, '', null, null, 'x'],
    [-2500, 'two\nlines', false, '99999', 7, null, 'true'],
  ]
  t.strictSame(await listRows(table), expected)
  t.strictSame(await listRows(table), expected, 'as often as one likes')
})

t.test('CSV: dtype decides otherwise', async t => {
  const dtype = { id: 'string', at: 'timestamp' } as const
  const table = await readCsv(t, 'id;at;n\n1;2024-01-02T03:04:05Z;1\n2;;2\n', {
    dtype,
    delimiter: ';',
  })
  t.same(typesOf(table), ['string', 'timestamp', 'number'])
  t.strictSame(await listRows(table), [
    ['1', new Date('2024-01-02T03:04:05Z'), 1],
    ['2', null, 2],
  ])
  const wrong = readCsv(t, 'n\n1\nx\n', { dtype: 'number' })
  await t.rejects(wrong, { code: 'INVALID_TABLE', details: { row: 1, column: 'n' } })
})

t.test('CSV: what is wrong is named', async t => {
  await t.rejects(readCsv(t, ''), { code: 'INVALID_TABLE', message: /rows.csv is empty/ })
  await t.rejects(readCsv(t, 'a,b\n1,2\n1\n'), { code: 'INVALID_TABLE', message: /line 3/ })
  await t.rejects(readCsv(t, 'a,b\n1,"2\n'), { code: 'INVALID_TABLE', message: /rows.csv/ })
  await t.rejects(readCsv(t, 'a,a\n1,2\n'), { code: 'INVALID_TABLE', message: /two columns/ })
  await t.rejects(Table.fromCsv(join(t.testdir(), 'no.csv')), { code: 'FILE_NOT_FOUND' })
  await t.rejects(Table.fromCsv(t.testdir()), { code: 'FILE_UNREADABLE' })
  const many = `a\n${'1\n'.repeat(200_001)}`
  await t.rejects(readCsv(t, many), { code: 'TOO_MANY_ROWS' })
  t.equal((await readCsv(t, 'a,b\n')).rowCount, 0, 'names alone are a table without rows')
})

t.test('a file that changed since is told when its rows are read', async t => {
  const path = join(t.testdir({ 'rows.csv': 'a\n1\n' }), 'rows.csv')
  const table = await Table.fromCsv(path)
  appendFileSync(path, '2\n')
  await t.rejects(listRows(table), { code: 'FILE_CHANGED', details: { file: path } })
})

t.test('NDJSON: objects become rows under all their keys', async t => {
  const folder = t.testdir({
    'rows.ndjson':
      '\ufeff{"a": 1, "l": [1, 2]}\r\n\n{"b": "x", "a": 12345678901234567890, "at": "2024-01-01"}',
    'list.ndjson': '{"a": 1}\n[1]\n',
    'text.ndjson': '{"a": 1}\n{"a": \n',
    'mixed.ndjson': '{"a": 1}\n{"a": "x"}\n',
  })
  const table = await Table.fromNdjson(join(folder, 'rows.ndjson'), { dtype: { at: 'timestamp' } })
  t.same(table.columns, ['a', 'l', 'b', 'at'])
  t.equal(table.rowCount, 2)
  t.strictSame(await listRows(table), [
    [1, [1, 2], null, null],
    [12345678901234567890n, null, 'x', new Date('2024-01-01')],
  ])
  for (const name of ['list', 'text']) {
    await t.rejects(Table.fromNdjson(join(folder, `${name}.ndjson`)), {
      code: 'INVALID_TABLE',
      details: { line: 2 },
    })
  }
  const mixed = join(folder, 'mixed.ndjson')
  await t.rejects(Table.fromNdjson(mixed), { code: 'INVALID_TABLE', details: { row: 1 } })
  const allowed = await Table.fromNdjson(mixed, { allowMixedTypes: true })
  t.same(await listRows(allowed), [[1], ['x']])
  await t.rejects(Table.fromNdjson(folder), { code: 'FILE_UNREADABLE' })
})

t.test('Parquet: columns and types are those of the file', async t => {
  const folder = t.testdir({ 'text.parquet': 'no parquet' })
  const filename = join(folder, 'rows.parquet')
  const count = 2500
  const rows = Array.from({ length: count }, (_, index) => index)
  await parquetWriteFile({
    filename,
    rowGroupSize: 1000,
    columnData: [
      { name: 'id', data: rows.map(BigInt), type: 'INT64' },
      { name: 'name', data: rows.map(index => (index % 2 ? `n${index}` : null)), type: 'STRING' },
      { name: 'x', data: rows.map(index => index / 4), type: 'DOUBLE' },
      { name: 'ok', data: rows.map(index => index > 5), type: 'BOOLEAN' },
      { name: 'at', data: rows.map(index => new Date(index * 1000)), type: 'TIMESTAMP' },
    ],
  })
  const table = await Table.fromParquet(filename)
  t.same(table.columns, ['id', 'name', 'x', 'ok', 'at'])
  t.same(typesOf(table), ['number', 'string', 'number', 'boolean', 'timestamp'])
  t.equal(table.rowCount, count)
  const read = await listRows(table)
  t.equal(read.length, count)
  t.strictSame(read[1], [1, 'n1', 0.25, false, new Date(1000)])
  t.strictSame(read[2400], [2400, null, 600, true, new Date(2_400_000)])
  const text = join(folder, 'text.parquet')
  await t.rejects(Table.fromParquet(text), { code: 'INVALID_TABLE', details: { file: text } })
  writeFileSync(filename, 'changed')
  await t.rejects(listRows(table), { code: 'FILE_CHANGED' })
})
