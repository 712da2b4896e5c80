import { inspect } from 'node:util'
import { ArtifactError, isArtifactError } from '../errors.js'
import {
  assignValue,
  type Cell,
  describeType,
  optionalType,
  UNKNOWN_COLUMN,
  type ValueType,
} from './value-type.js'

/** W&B's limit for a table in an artifact. */
const MAX_ROWS = 200_000

export const COLUMN_KINDS = ['string', 'number', 'boolean', 'timestamp', 'any'] as const

/** What a column holds besides null; `any` takes everything, in any mixture. */
export type ColumnKind = (typeof COLUMN_KINDS)[number]

export interface ColumnOptions {
  /**
   * What the columns hold: one kind for all, or one by name for each that is not to be told from
   * its values.
   */
  dtype?: ColumnKind | Record<string, ColumnKind>
  /** All columns take values of any type, in any mixture. Default false: `INVALID_TABLE`. */
  allowMixedTypes?: boolean
}

/**
 * The columns of a table while its rows are looked at, with the types that their values need.
 * Columns that turn up later are added.
 */
export class ColumnTypes {
  readonly #types = new Map<string, ValueType>()
  readonly #options: ColumnOptions
  #rows = 0

  /** @throws `INVALID_TABLE` when two columns have one name; `TypeError`. */
  constructor(columns: readonly string[], options: ColumnOptions) {
    if (!Array.isArray(columns) || columns.some(name => typeof name !== 'string')) {
      throw new TypeError(`columns must be an array of strings, not ${inspect(columns)}`)
    }
    this.#options = options
    checkKinds(options.dtype)
    for (const name of columns) {
      if (this.#types.has(name)) {
        throw new ArtifactError('INVALID_TABLE', `two columns are named ${inspect(name)}`, {
          details: { column: name },
        })
      }
      this.#add(name)
    }
  }

  get columns(): string[] {
    return [...this.#types.keys()]
  }

  /** The number of rows that were begun. */
  get rowCount(): number {
    return this.#rows
  }

  /** The kind that was asked for, if one was. */
  kindOf(column: string): ColumnKind | undefined {
    const { dtype, allowMixedTypes } = this.#options
    if (allowMixedTypes) return 'any'
    if (typeof dtype !== 'object') return dtype
    return Object.hasOwn(dtype, column) ? dtype[column] : undefined
  }

  /** @throws `TOO_MANY_ROWS`, which names the limit. */
  beginRow(): void {
    this.#rows += 1
    checkRowCount(this.#rows)
  }

  /**
   * Takes a row. @throws `TOO_MANY_ROWS`; `INVALID_TABLE`, naming the row, from 0, and the column.
   */
  addRow(row: readonly unknown[]): void {
    this.beginRow()
    if (!Array.isArray(row)) throw this.#refuse(`it is no array but ${inspect(row, { depth: 0 })}`)
    if (row.length !== this.#types.size) {
      const count = `it has ${row.length} values for ${this.#types.size} columns`
      throw this.#refuse(count)
    }
    let index = 0
    for (const column of this.#types.keys()) {
      this.addValue(column, row[index] as Cell)
      index += 1
    }
  }

  /** Takes a value of the row that was begun. @throws `INVALID_TABLE` as {@link addRow}. */
  addValue(column: string, value: Cell): void {
    const type = this.#types.get(column) ?? this.#add(column)
    let assigned: ValueType | undefined
    try {
      assigned = assignValue(type, value)
    } catch (error) {
      if (!isArtifactError(error, 'INVALID_TABLE')) throw error
      throw this.#refuse(error.message, column)
    }
    if (assigned === type) return
    if (assigned) this.#types.set(column, assigned)
    else {
      const shown = inspect(value, { depth: 1, maxStringLength: 100, breakLength: Infinity })
      throw this.#refuse(`${shown} is not ${describeType(type)}`, column)
    }
  }

  toObject(): Record<string, ValueType> {
    return Object.fromEntries(this.#types)
  }

  #add(name: string): ValueType {
    const kind = this.kindOf(name)
    const type = kind ? optionalType({ wb_type: kind }) : UNKNOWN_COLUMN
    this.#types.set(name, type)
    return type
  }

  #refuse(why: string, column?: string): ArtifactError {
    const row = this.#rows - 1
    const where = column === undefined ? `row ${row}` : `row ${row}, column ${inspect(column)}`
    return new ArtifactError('INVALID_TABLE', `${where}: ${why}`, { details: { row, column } })
  }
}

/** @throws `TOO_MANY_ROWS`, which names the limit. */
export function checkRowCount(rows: number): void {
  if (rows <= MAX_ROWS) return
  throw new ArtifactError('TOO_MANY_ROWS', `a table has at most ${MAX_ROWS} rows`, {
    details: { limit: MAX_ROWS },
  })
}

function checkKinds(dtype: ColumnOptions['dtype']): void {
  const kinds = typeof dtype === 'object' ? Object.values(dtype) : [dtype]
  const wrong = kinds.find(kind => kind !== undefined && !COLUMN_KINDS.includes(kind))
  if (wrong !== undefined) {
    throw new TypeError(`dtype must be one of ${COLUMN_KINDS.join(', ')}, not ${inspect(wrong)}`)
  }
}
