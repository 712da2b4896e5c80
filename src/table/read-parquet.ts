import { ArtifactError } from '../errors.js'
import { loadSdk } from '../references/load-sdk.js'
import { ColumnTypes, checkRowCount } from './column-types.js'
import { StableFile } from './stable-file.js'
import type { FileTableOptions, TableSource } from './table.js'
import type { Cell } from './value-type.js'

/**
 * Looks through a Parquet file, for `Table.fromParquet`.
 * @throws as that does.
 */
export async function readParquet(path: string, options: FileTableOptions): Promise<TableSource> {
  const parquet = await loadSdk('hyparquet', () => import('hyparquet'))
  const stable = new StableFile(path)
  const file = await parquet.asyncBufferFromFile(stable.path)
  const metadata = await parquet.parquetMetadataAsync(file).catch(refuse)
  const columns = parquet.parquetSchema(metadata).children.map(({ element }) => element.name)
  const types = new ColumnTypes(columns, options)

  async function* groups(): AsyncGenerator<Record<string, unknown>[], void, undefined> {
    let rowStart = 0
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows)
      yield parquet.parquetReadObjects({ file, metadata, rowStart, rowEnd }).catch(refuse)
      rowStart = rowEnd
    }
  }
  const rows = async function* () {
    for await (const objects of stable.read(groups())) {
      for (const object of objects) yield columns.map(name => narrow(object[name]))
    }
  }
  // Told before a group that may be far too large is read.
  checkRowCount(Number(metadata.num_rows))
  for await (const row of rows()) types.addRow(row)
  return { columns, columnTypes: types.toObject(), rowCount: types.rowCount, rows }

  function refuse(cause: Error & { syscall?: string }): never {
    if (cause.syscall) throw cause
    const message = `${stable.path} cannot be read as Parquet: ${cause.message}`
    throw new ArtifactError('INVALID_TABLE', message, { cause, details: { file: stable.path } })
  }
}

/** Parquet has its 64 bit integers as bigints, small or not. */
function narrow(value: unknown): Cell {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (Array.isArray(value)) return value.map(narrow)
  if (Object.prototype.toString.call(value) !== '[object Object]') return value as Cell
  const entries = Object.entries(value as object).map(([key, item]) => [key, narrow(item)])
  return Object.fromEntries(entries)
}
