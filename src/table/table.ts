import { inspect } from 'node:util'
import { type ColumnOptions, ColumnTypes } from './column-types.js'
import { encodeTable } from './encode-table.js'
import type { Cell, ValueType } from './value-type.js'

export const LOG_MODES = ['IMMUTABLE', 'MUTABLE', 'INCREMENTAL'] as const

/** W&B's word for how a table that is logged again is treated there; recorded, no more, here. */
export type LogMode = (typeof LOG_MODES)[number]

export interface FileTableOptions extends ColumnOptions {
  /** Default `IMMUTABLE`. */
  logMode?: LogMode
}

export interface CsvTableOptions extends FileTableOptions {
  /** One character. Default a comma. */
  delimiter?: string
}

export interface TableOptions extends FileTableOptions {
  columns: readonly string[]
  /** A value for every column, in each row. Default none. */
  data?: readonly (readonly unknown[])[]
  /** The older name of `data`. */
  rows?: readonly (readonly unknown[])[]
  /** @internal Rows that are read from somewhere, in place of `data`. */
  source?: TableSource
}

/** Rows that were looked at once and can be read again and again. */
export interface TableSource {
  columns: string[]
  columnTypes: Record<string, ValueType>
  rowCount: number
  rows(): AsyncIterable<Cell[]>
  /** The bytes of the table, where they are there already. */
  bytes?(): AsyncIterable<Uint8Array>
}

/**
 * Rows of values under named columns, of which each holds one type of values and null. In an
 * artifact it is a JSON file, `NAME.table.json`, byte for byte as W&B's client writes it.
 *
 * A cell is null, a boolean, a number, a bigint, a string, a `Date`, or a list or object of these.
 * `undefined` and NaN become null. Of lists and objects in one column the elements, and the keys,
 * must have the same types: `dtype` `any` or `allowMixedTypes` lifts that.
 */
export class Table {
  readonly columns: readonly string[]
  /** As W&B records them. */
  readonly columnTypes: Readonly<Record<string, ValueType>>
  readonly rowCount: number
  readonly logMode: LogMode
  readonly #source: TableSource

  /**
   * @throws `INVALID_TABLE`, naming the row, from 0, and the column: too many or too few values, a
   *   value of another type than those before it, or of none that a table can hold;
   *   `TOO_MANY_ROWS` for more than 200,000; `TypeError`.
   */
  constructor(options: TableOptions) {
    const { columns, data, rows = [], logMode = 'IMMUTABLE', source, ...types } = options
    if (!LOG_MODES.includes(logMode)) {
      throw new TypeError(`logMode must be one of ${LOG_MODES.join(', ')}, not ${inspect(logMode)}`)
    }
    this.#source = source ?? takeRows(columns, data ?? rows, types)
    this.columns = this.#source.columns
    this.columnTypes = this.#source.columnTypes
    this.rowCount = this.#source.rowCount
    this.logMode = logMode
  }

  /**
   * A table of objects. Its columns are their keys, in the order in which they turn up; what an
   * object lacks is null.
   * @throws as the constructor.
   */
  static from(objects: Iterable<object>, options: FileTableOptions = {}): Table {
    const all = [...objects] as Record<string, unknown>[]
    for (const one of all) {
      if (typeof one !== 'object' || one === null || Array.isArray(one)) {
        throw new TypeError(`Table.from takes objects, not ${inspect(one, { depth: 0 })}`)
      }
    }
    const columns = [...new Set(all.flatMap(Object.keys))]
    const data = all.map(one => columns.map(name => (Object.hasOwn(one, name) ? one[name] : null)))
    return new Table({ ...options, columns, data })
  }

  /**
   * A table of a CSV file with a line of column names (RFC 4180, UTF-8). The file is read once now
   * and again with the rows: it must not change meanwhile, or they reject with `FILE_CHANGED`.
   *
   * A column of nothing but numbers, or of `true` and `false`, holds these, and null where a field
   * is empty; all others hold strings. Numbers with a leading zero or plus sign are strings. `dtype`
   * decides otherwise: `timestamp` reads what `Date.parse` does.
   *
   * @throws `INVALID_TABLE`, `TOO_MANY_ROWS`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`.
   */
  static async fromCsv(path: string, options: CsvTableOptions = {}): Promise<Table> {
    const { readCsv } = await import('./read-csv.js')
    return Table.#over(await readCsv(path, options), options)
  }

  /**
   * A table of a file with a JSON object a line, as {@link Table.from} makes one of objects, and
   * with the reading of {@link Table.fromCsv}.
   * @throws as `fromCsv`.
   */
  static async fromNdjson(path: string, options: FileTableOptions = {}): Promise<Table> {
    const { readNdjson } = await import('./read-ndjson.js')
    return Table.#over(await readNdjson(path, options), options)
  }

  /**
   * A table of a Parquet file, read a group of rows at a time, as {@link Table.fromCsv}. Needs
   * `npm i hyparquet`.
   * @throws as `fromCsv`; `PACKAGE_MISSING`.
   */
  static async fromParquet(path: string, options: FileTableOptions = {}): Promise<Table> {
    const { readParquet } = await import('./read-parquet.js')
    return Table.#over(await readParquet(path, options), options)
  }

  static #over(source: TableSource, { logMode }: FileTableOptions): Table {
    return new Table({ columns: [], source, logMode })
  }

  /**
   * The rows, in order. Of a table in an artifact or in a file they are read as they are asked for.
   * Dates come back as `Date`s, whole numbers beyond the safe integers as bigints.
   */
  async *rows(): AsyncGenerator<Cell[], void, undefined> {
    yield* this.#source.rows()
  }

  /** @internal The file that it becomes in an artifact, in parts. */
  encode(): AsyncIterable<string | Uint8Array> {
    return this.#source.bytes?.() ?? encodeTable(this)
  }
}

function takeRows(
  columns: readonly string[],
  data: readonly (readonly unknown[])[],
  options: ColumnOptions,
): TableSource {
  if (!Array.isArray(data)) {
    throw new TypeError(`data must be an array of arrays, not ${inspect(data, { depth: 0 })}`)
  }
  const types = new ColumnTypes(columns, options)
  // What the caller does with the arrays afterwards does not change the table.
  const kept = data.map(row => {
    types.addRow(row)
    return [...row] as Cell[]
  })
  return {
    columns: types.columns,
    columnTypes: types.toObject(),
    rowCount: kept.length,
    async *rows() {
      for (const row of kept) yield [...row]
    },
  }
}
