import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { listRows } from '../../fixtures/list-rows.js'
import { objectPath } from '../../src/artifact/get-object.js'
import { PartitionedTable, Table, type TableOptions } from '../../src/index.js'
import { openTable } from '../../src/table/open-table.js'

interface Case {
  name: string
  path?: string
  /** Absent where W&B's client refuses the table. */
  text?: string
}

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
const golden: { cases: Case[] } = JSON.parse(
  readFileSync(join(root, 'fixtures/golden/wandb-tables.json'), 'utf8'),
)
const vectors = new Map(golden.cases.map(one => [one.name, one]))

const one = (name: string, ...cells: unknown[]): TableOptions => ({
  columns: [name],
  data: cells.map(cell => [cell]),
})

/** The same tables as in fixtures/golden/write-wandb-tables.py; `t` is the name there. */
const TABLES: Record<string, TableOptions> = {
  page: { columns: ['a', 'b', 'c'], data: [[3, 6, 8]] },
  empty: one('a'),
  'no-columns': { columns: [], data: [] },
  nulls: {
    columns: ['a', 'b'],
    data: [
      [null, undefined],
      [1, null],
    ],
  },
  scalars: {
    columns: ['z', 'b', 's', 'n', 'd'],
    data: [
      [1.5, true, 'x', null, new Date('2024-02-29T12:30:15.123Z')],
      [2, false, 'y', null, null],
    ],
  },
  numbers: one(
    'n',
    ...[0, -0, 1, -1, 0.1, 1e-4, 1e-5, 1.5e-7, 1e16, Number.MAX_VALUE, Number.MIN_VALUE, 1e21],
    ...[123456789012345680, Number.MAX_SAFE_INTEGER, 0.1 + 0.2, 9007199254740992],
  ),
  bigints: one('n', 9007199254740993n, 2n ** 64n, -(2n ** 70n)),
  'infinity-nan': one('n', 1.5, Number.NaN, Infinity, -Infinity),
  'nan-first': one('n', Number.NaN, 1),
  strings: {
    columns: ['é"\\', '😀'],
    data: [
      ['é', '😀\u007f\u0080'],
      ['\b\f\n\r\t\u0001/', '\u2028\ud800'],
    ],
  },
  lists: one('l', [1, 2, 3], [4], null),
  'lists-empty': one('l', [], [1], []),
  'list-null': one('l', [1, null], [undefined], [2]),
  'list-null-later': one('l', [1], [null]),
  'list-nan': one('l', [1, Number.NaN]),
  'list-nan-2': one('l', [1, Number.NaN], [1]),
  'list-mixed': one('l', [1, 'a']),
  'list-mixed-2': one('l', [1, 'a'], [1]),
  'list-nested': one('l', [[1, 2], [3]], [[4]]),
  'list-bools': one('l', [true, false]),
  'list-of-optional-lists': one('l', [[1, null], [3]], [[4]]),
  'list-of-objects': one('l', [{ a: 1 }, { a: 2 }], [{}]),
  'list-of-dates': one('l', [new Date('2020-01-01')]),
  objects: one('o', { b: 1, a: 'x' }, { a: 'y', b: 2 }),
  'objects-missing': one('o', { a: 1 }, {}),
  'objects-extra': one('o', { a: 1 }, { a: 1, b: 2 }),
  'objects-null': one('o', { a: null }, {}),
  'objects-null-2': one('o', { a: null }, { a: 1 }),
  'objects-empty': one('o', {}, {}),
  'objects-nested': one('o', { a: { b: [1, Number.NaN] }, d: new Date('2020-01-01') }),
  mixed: one('a', 1, 'x'),
  'mixed-bool': one('a', 1, true),
  'mixed-allowed': { ...one('a', 1, 'x', null, [1]), allowMixedTypes: true },
  'wrong-count': { columns: ['a', 'b'], data: [[1]] },
  dtype: {
    columns: ['a', 'b', 'c', 'd'],
    data: [[1, 'x', true, null]],
    dtype: { a: 'number', b: 'string', c: 'boolean', d: 'timestamp' },
  },
  'dtype-one': { columns: ['a', 'b'], data: [[1, 2]], dtype: 'number' },
  'dtype-wrong': { ...one('a', '1'), dtype: 'number' },
  'dtype-any': { ...one('a'), dtype: 'any' },
  mutable: { ...one('a', 1), logMode: 'MUTABLE' },
  incremental: { ...one('a', 1), logMode: 'INCREMENTAL' },
  rows: { columns: ['a'], rows: [[1]] },
  'artifact-strings': one('a', 'wandb-artifact://x/y', 'wandb-artifact://z'),
  suffix: one('a'),
  'suffix-odd': one('a'),
  'suffix-normal': one('a'),
  'key-order': one('o', { '\uffff': 1, '😀': 2, a: 3, B: 4 }),
}

/** Names under which a table is added, where they are not `t`. */
const NAMES: Record<string, string> = {
  page: 'parts/table_3',
  suffix: 'x.table.json',
  'suffix-odd': 'mytable.json',
  'suffix-normal': './a//b.json',
}

/** Without a twin above: tables that only W&B makes, which are read here. */
const READ_ONLY = ['floats', 'int-columns', 'partitioned']

async function encode(object: Table | PartitionedTable): Promise<string> {
  let text = ''
  for await (const part of object.encode()) text += part
  return text
}

async function open(text: string): Promise<Table> {
  const object = await openTable(async function* () {
    // Cut anywhere: in words, in characters, in escapes.
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
  }, 'a vector')
  if (!('table' in object)) throw new Error('no table')
  return object.table
}

t.test('every vector has its twin', async t => {
  const known = [...Object.keys(TABLES), ...READ_ONLY]
  t.same(known.sort(), [...vectors.keys()].sort())
})

for (const [name, options] of Object.entries(TABLES)) {
  const { path, text } = vectors.get(name)!
  if (text === undefined) {
    t.test(`what W&B refuses is refused: ${name}`, async t => {
      t.throws(() => new Table(options), { code: 'INVALID_TABLE' })
    })
    continue
  }
  t.test(`the bytes are those of W&B: ${name}`, async t => {
    const table = new Table(options)
    t.equal(await encode(table), text)
    t.equal(objectPath(table, NAMES[name] ?? 't'), path)
  })
  t.test(`and are read as what they were: ${name}`, async t => {
    const table = await open(text)
    const read = await listRows(table)
    const given = (options.data ?? options.rows)!
    t.same(table.columns, options.columns)
    t.equal(table.rowCount, given.length)
    t.equal(table.logMode, options.logMode ?? 'IMMUTABLE')
    // NaN and undefined are null in a table.
    t.strictSame(
      read,
      given.map(row => row.map(cell => nullify(cell))),
    )
  })
}

function nullify(value: unknown): unknown {
  if (value === undefined || Number.isNaN(value)) return null
  if (Array.isArray(value)) return value.map(nullify)
  if (Object.prototype.toString.call(value) !== '[object Object]') return value
  const entries = Object.entries(value as object)
  return Object.fromEntries(entries.map(([key, item]) => [key, nullify(item)]))
}

t.test('floats of all sizes are read and written alike', async t => {
  const { text } = vectors.get('floats')!
  const table = await open(text!)
  t.ok(table.rowCount > 250)
  t.equal(await encode(new Table({ columns: ['n'], data: await listRows(table) })), text)
})

t.test('columns that are numbers are read by their digits', async t => {
  const table = await open(vectors.get('int-columns')!.text!)
  t.same(table.columns, ['10', '9'])
  t.same(await listRows(table), [[1, 2]])
  t.equal(table.columnTypes['10']?.wb_type, 'union')
})

t.test('a partitioned table is where its parts are', async t => {
  const { path, text } = vectors.get('partitioned')!
  const table = new PartitionedTable('parts')
  t.equal(await encode(table), text)
  t.equal(objectPath(table, 'distributed_table'), path)
  t.same(
    await openTable(async function* () {
      yield Buffer.from(text!)
    }, 'p'),
    { partsPath: 'parts' },
  )
})
