import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { ArtifactError } from '../errors.js'
import { type ColumnKind, ColumnTypes } from './column-types.js'
import { StableFile } from './stable-file.js'
import type { CsvTableOptions, TableSource } from './table.js'
import { toDate } from './to-date.js'
import type { Cell } from './value-type.js'

/** As JSON writes numbers: what has a leading zero is a code, not an amount. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const BOOLEAN = /^(?:true|false)$/

const FORMS: Partial<Record<ColumnKind, RegExp>> = { number: NUMBER, boolean: BOOLEAN }

/**
 * Looks through a CSV file, for `Table.fromCsv`.
 * @throws as that does.
 */
export async function readCsv(
  path: string,
  { delimiter, ...options }: CsvTableOptions,
): Promise<TableSource> {
  const file = new StableFile(path)
  const records = () => file.read(parseCsv(file.path, delimiter))
  let types: ColumnTypes | undefined
  let found: Inferred[] = []
  for await (const fields of records()) {
    if (!types) {
      types = new ColumnTypes(fields, options)
      found = types.columns.map(name => new Inferred(name, types!.kindOf(name)))
      continue
    }
    types.beginRow()
    const row = types.rowCount - 1
    for (let index = 0; index < fields.length; index += 1) found[index]!.look(fields[index]!, row)
  }
  if (!types) throw refuse(`${file.path} is empty: its first line must name the columns`)
  const dtype = Object.fromEntries(found.flatMap(({ name, kind }) => (kind ? [[name, kind]] : [])))
  const { columns, rowCount } = types
  return {
    columns,
    columnTypes: new ColumnTypes(columns, { dtype }).toObject(),
    rowCount,
    async *rows() {
      let index = -1
      for await (const fields of records()) {
        if (index >= 0) yield fields.map((field, at) => convert(field, found[at]!.kind))
        index += 1
      }
    },
  }
}

async function* parseCsv(path: string, delimiter = ','): AsyncGenerator<string[], void, undefined> {
  const parser = parse({ bom: true, delimiter, skipEmptyLines: true })
  // What fails here makes the parser fail, which is where it is heard.
  const records = pipeline(createReadStream(path), parser, () => {})
  try {
    yield* records
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw refuse(`${path}: ${error.message}`, { file: path, line: error.lines })
  }
}

/** What the fields of a column are, as far as they were looked at. */
class Inferred {
  readonly name: string
  readonly #asked: ColumnKind | undefined
  #possible: ColumnKind[] = ['number', 'boolean']
  #isEmpty = true

  constructor(name: string, asked: ColumnKind | undefined) {
    this.name = name
    this.#asked = asked
  }

  /** Undefined for a column in which nothing is. */
  get kind(): ColumnKind | undefined {
    return this.#asked ?? (this.#isEmpty ? undefined : (this.#possible[0] ?? 'string'))
  }

  look(field: string, row: number): void {
    if (field === '') return
    this.#isEmpty = false
    if (this.#asked) {
      if (convert(field, this.#asked) !== undefined) return
      const { name } = this
      throw refuse(`row ${row}, column "${name}": "${field}" is no ${this.#asked}`, {
        row,
        column: name,
      })
    }
    if (this.#possible.length === 0) return
    this.#possible = this.#possible.filter(kind => convert(field, kind) !== undefined)
  }
}

/** Undefined for a field that is nothing of that kind. */
function convert(field: string, kind: ColumnKind | undefined): Cell {
  if (kind === 'string' || kind === 'any') return field
  if (field === '' || kind === undefined) return null
  if (kind === 'timestamp') return toDate(field)
  if (!FORMS[kind]!.test(field)) return undefined
  if (kind === 'boolean') return field === 'true'
  const number = Number(field)
  if (!Number.isFinite(number)) return undefined
  const isWhole = !/[.eE]/.test(field)
  return isWhole && !Number.isSafeInteger(number) ? BigInt(field) : number
}

function refuse(message: string, details?: Record<string, unknown>): ArtifactError {
  return new ArtifactError('INVALID_TABLE', message, { details })
}
