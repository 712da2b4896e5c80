import t from 'tap'
import { listRows } from '../../fixtures/list-rows.js'
import { Table, type TableOptions } from '../../src/index.js'
import { openTable } from '../../src/table/open-table.js'

const column = (...cells: unknown[]): TableOptions => ({
  columns: ['a'],
  data: cells.map(cell => [cell]),
})

t.test('a row that does not fit is named, with its column', async t => {
  const refusals: [TableOptions, object][] = [
    [
      { columns: ['a', 'b'], data: [[1, 2], [1]] },
      { message: /row 1: it has 1 values for 2 columns/, details: { row: 1 } },
    ],
    [column(1, 2, 'x'), { message: /row 2, column 'a': 'x' is not/, details: { row: 2 } }],
    [column(() => 1), { message: /row 0, column 'a'/, details: { row: 0, column: 'a' } }],
    [column(new Map()), { message: /no table can hold Map/ }],
    [column(new Uint8Array(2)), { message: /no table can hold Uint8Array/ }],
    [column(Symbol('s')), { message: /Symbol\(s\)/ }],
    [column([1], [new Date(Number.NaN)]), { message: /row 1, .*a date is not valid/ }],
    [{ ...column(new Set()), allowMixedTypes: true }, { message: /no table can hold Set/ }],
    [{ columns: ['a', 'b', 'a'] }, { message: /two columns are named 'a'/ }],
    [{ ...column('x'), dtype: { a: 'timestamp' } }, { message: /'x' is not None or Timestamp/ }],
  ]
  for (const [options, expected] of refusals) {
    t.throws(() => new Table(options), { code: 'INVALID_TABLE', ...expected })
  }
})

t.test('what refers to itself is told, not followed without end', async t => {
  const self: Record<string, unknown> = {}
  self.self = self
  t.throws(() => new Table(column(self)), { code: 'INVALID_TABLE', message: /100 levels/ })
})

t.test('more rows than W&B takes are refused, and the limit is named', async t => {
  const row = [1]
  const data = Array.from({ length: 200_000 }, () => row)
  t.equal(new Table({ columns: ['a'], data }).rowCount, 200_000)
  t.throws(() => new Table({ columns: ['a'], data: [...data, row] }), {
    code: 'TOO_MANY_ROWS',
    details: { limit: 200_000 },
  })
})

t.test('the wrong kind of argument is a TypeError', async t => {
  const wrong: unknown[] = [
    {},
    { columns: 'ab' },
    { columns: [1] },
    { columns: ['a'], data: { a: 1 } },
    { columns: ['a'], logMode: 'SOMETIMES' },
    { columns: ['a'], dtype: 'int' },
    { columns: ['a'], dtype: { a: 'int' } },
  ]
  for (const options of wrong) t.throws(() => new Table(options as TableOptions), TypeError)
  t.throws(() => Table.from([[1]]), TypeError)
})

t.test('objects become rows under all their keys', async t => {
  const table = Table.from([{ a: 1, b: 'x' }, { c: true, a: 2 }, {}])
  t.same(table.columns, ['a', 'b', 'c'])
  t.same(await listRows(table), [
    [1, 'x', null],
    [2, null, true],
    [null, null, null],
  ])
  t.equal(Table.from([]).rowCount, 0)
  t.throws(() => Table.from([{ a: 1 }, { a: 'x' }]), { code: 'INVALID_TABLE' })
})

t.test('a table does not change with the arrays that it was made of, or that it gave', async t => {
  const data = [[1], [2]]
  const table = new Table({ columns: ['a'], data })
  data[0]![0] = 9
  data.push([3])
  for await (const row of table.rows()) row[0] = 9
  t.same(await listRows(table), [[1], [2]])
})

function open(text: string) {
  return openTable(async function* () {
    yield Buffer.from(text)
  }, 'x.table.json')
}

t.test('JSON with its keys in any order and with spaces anywhere is read', async t => {
  const object = await open(
    ' {\n "data" : [\n [ "}]," , 1 ] , \n [ "\\"[", 2 ] ], "ncols": 2, "extra": [[1], {"data": [3]}],\n' +
      '"columns": [ "a", "b" ],"_type":"table"} \n',
  )
  if (!('table' in object)) throw new Error('no table')
  t.same(object.table.columns, ['a', 'b'])
  t.equal(object.table.rowCount, 2)
  t.same(await listRows(object.table), [
    ['}],', 1],
    ['"[', 2],
  ])
})

t.test('integers with all their digits and words that JSON lacks are read', async t => {
  const object = await open(
    '{"_type": "table", "columns": ["a"], "data": [[12345678901234567890], [-9007199254740993], ' +
      '["12345678901234567890 NaN"], [{"x": [12345678901234567890, NaN, -Infinity]}], ' +
      '[1234567890123456], [0.12345678901234568]]}',
  )
  if (!('table' in object)) throw new Error('no table')
  t.strictSame(await listRows(object.table), [
    [12345678901234567890n],
    [-9007199254740993n],
    ['12345678901234567890 NaN'],
    [{ x: [12345678901234567890n, null, -Infinity] }],
    [1234567890123456],
    [0.12345678901234568],
  ])
})

t.test('what is no table is INVALID_TABLE, and the file is named', async t => {
  const wrong = [
    '',
    'null',
    '[]',
    '{',
    '{"_type": "table", "columns": ["a"], "data": [[1]',
    '{"_type": "table", "columns": ["a"], "data": [[1]}',
    '{"_type": "table", "columns": ["a"]} {}',
    '{"_type": "table", "columns": ["a"]} x',
    '{"_type": "table", "columns": ["a"]]',
    '{"_type": "table"}',
    '{"_type": "joined-table", "table1": "a"}',
    '{"_type": "partitioned-table"}',
    '{"a": 1}',
    '{"_type": table}',
  ]
  for (const text of wrong) {
    await t.rejects(open(text), { code: 'INVALID_TABLE', details: { path: 'x.table.json' } }, text)
  }
  const rows = ['[1, 2]', '1', '{"a": 1}', '[x]', '"["']
  for (const row of rows) {
    const object = await open(`{"_type": "table", "columns": ["a"], "data": [[0], ${row}]}`)
    if (!('table' in object)) throw new Error('no table')
    const { table } = object
    await t.rejects(listRows(table), { code: 'INVALID_TABLE', message: /row 1/ }, row)
  }
})
