import { ArtifactError } from '../errors.js'
import { parseValue } from './parse-value.js'
import { reviveDates } from './revive-dates.js'
import { LOG_MODES, type LogMode, Table } from './table.js'
import { TableScanner } from './table-scanner.js'
import type { Cell, ValueType } from './value-type.js'

/** The bytes of a file, from the start at each call. */
export type OpenBytes = () => AsyncIterable<Uint8Array>

/** What stands in an object's file in an artifact: a table, or the path of a table's parts. */
export type StoredObject = { table: Table } | { partsPath: string }

/**
 * Opens what `artifact.add` wrote, or W&B's client. All bytes are looked through once; the rows are
 * read when they are asked for.
 * @param path for messages.
 * @throws `INVALID_TABLE` when it is not the JSON of a table.
 */
export async function openTable(open: OpenBytes, path: string): Promise<StoredObject> {
  const refuse = (why: string, details = {}) =>
    new ArtifactError('INVALID_TABLE', `"${path}": ${why}`, { details: { path, ...details } })
  const parse = (text: string, where: string): Cell => {
    try {
      return parseValue(text)
    } catch (cause) {
      throw refuse(`${where} is not JSON: ${(cause as Error).message}`)
    }
  }
  let rowCount = 0
  const members: string[] = []
  for await (const part of scan(open(), path)) {
    if ('member' in part) members.push(part.member)
    else rowCount += 1
  }
  const head = parse(`{${members.join(',')}}`, 'it') as unknown as TableHead
  if (head._type === 'partitioned-table' && typeof head.parts_path === 'string') {
    return { partsPath: head.parts_path }
  }
  if (head._type !== 'table') throw refuse(`it is no table, its "_type" is ${head._type}`)
  if (!Array.isArray(head.columns)) throw refuse('it has no columns')
  // W&B's columns may be numbers, of which the types have the text.
  const columns = head.columns.map(String)
  const columnTypes = head.column_types?.params?.type_map ?? {}
  const revive = columns.map(name => reviveDates(columnTypes[name]))
  const logMode = LOG_MODES.find(mode => mode === head.log_mode)
  async function* rows(): AsyncGenerator<Cell[], void, undefined> {
    let row = -1
    for await (const part of scan(open(), path)) {
      if (!('row' in part)) continue
      row += 1
      const cells = parse(part.row, `row ${row}`)
      if (!Array.isArray(cells) || cells.length !== columns.length) {
        throw refuse(`row ${row} is no array of ${columns.length} values`, { row })
      }
      yield cells.map((cell, index) => revive[index]?.(cell) ?? cell)
    }
  }
  const source = { columns, columnTypes, rowCount, rows, bytes: open }
  return { table: new Table({ columns, source, logMode }) }
}

/** What a file of a table has besides its rows, if it is one. */
interface TableHead {
  _type?: unknown
  parts_path?: unknown
  columns?: unknown
  column_types?: { params?: { type_map?: Record<string, ValueType> } }
  log_mode?: LogMode
}

async function* scan(chunks: AsyncIterable<Uint8Array>, path: string) {
  const scanner = new TableScanner(path)
  for await (const chunk of chunks) yield* scanner.push(chunk)
  scanner.finish()
}
