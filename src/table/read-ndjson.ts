import { createReadStream } from 'node:fs'
import { ArtifactError } from '../errors.js'
import { ColumnTypes } from './column-types.js'
import { parseValue } from './parse-value.js'
import { StableFile } from './stable-file.js'
import type { FileTableOptions, TableSource } from './table.js'
import { toDate } from './to-date.js'
import type { Cell } from './value-type.js'

/**
 * Looks through a file with a JSON object a line, for `Table.fromNdjson`.
 * @throws as that does.
 */
export async function readNdjson(path: string, options: FileTableOptions): Promise<TableSource> {
  const file = new StableFile(path)
  const types = new ColumnTypes([], options)
  const objects = () => file.read(parseLines(file.path))
  const cellOf = (object: Record<string, Cell>, name: string): Cell => {
    const value = Object.hasOwn(object, name) ? object[name] : null
    return types.kindOf(name) === 'timestamp' ? (toDate(value) ?? value) : value
  }
  for await (const object of objects()) {
    types.beginRow()
    for (const name of Object.keys(object)) types.addValue(name, cellOf(object, name))
  }
  const { columns, rowCount } = types
  return {
    columns,
    columnTypes: types.toObject(),
    rowCount,
    async *rows() {
      for await (const object of objects()) yield columns.map(name => cellOf(object, name))
    },
  }
}

async function* parseLines(file: string): AsyncGenerator<Record<string, Cell>, void, undefined> {
  let line = 0
  let rest = ''
  for await (const chunk of createReadStream(file, 'utf8')) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop()!
    for (const text of lines) {
      line += 1
      const object = parseLine(text, { file, line })
      if (object) yield object
    }
  }
  const last = parseLine(rest, { file, line: line + 1 })
  if (last) yield last
}

/** Undefined for a line in which nothing is. */
function parseLine(
  text: string,
  where: { file: string; line: number },
): Record<string, Cell> | undefined {
  const json = where.line === 1 ? text.replace(/^\ufeff/, '') : text
  if (json.trim() === '') return undefined
  let value: unknown
  try {
    value = parseValue(json)
  } catch (cause) {
    throw refuse(`it is not JSON: ${(cause as Error).message}`, where)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, Cell>
  }
  throw refuse('it is no JSON object', where)
}

function refuse(why: string, where: { file: string; line: number }): ArtifactError {
  const message = `${where.file}, line ${where.line}: ${why}`
  return new ArtifactError('INVALID_TABLE', message, { details: where })
}
