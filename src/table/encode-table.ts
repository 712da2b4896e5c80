import { encodeValue } from './encode-value.js'
import type { Table } from './table.js'

/** Characters of one part. */
const PART_LENGTH = 64 * 1024

/** The JSON of a table as W&B's client writes it, in parts; `docs/format.md` describes it. */
export async function* encodeTable(table: Table): AsyncGenerator<string, void, undefined> {
  const { columns, columnTypes, rowCount, logMode } = table
  const incremental = logMode === 'INCREMENTAL'
  const types = { params: { type_map: columnTypes }, wb_type: 'typedDict' }
  let part = members({ _type: 'table', column_types: types, columns })
  part = `{${part}, "data": [`
  let separator = ''
  for await (const row of table.rows()) {
    part += separator + encodeValue(row)
    separator = ', '
    if (part.length < PART_LENGTH) continue
    yield part
    part = ''
  }
  const rest = {
    ...(incremental && { increment_num: 0 }),
    log_mode: logMode,
    ncols: columns.length,
    nrows: rowCount,
    ...(incremental && { previous_increments_paths: [] }),
  }
  yield `${part}], ${members(rest)}}`
}

function members(object: object): string {
  return encodeValue(object).slice(1, -1)
}
