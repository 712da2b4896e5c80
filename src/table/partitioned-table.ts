import { inspect } from 'node:util'
import { ArtifactError } from '../errors.js'
import { normalizeArtifactPath } from '../model/artifact-path.js'
import { encodeValue } from './encode-value.js'
import type { Table } from './table.js'
import type { Cell } from './value-type.js'

/** One of the tables that make up a {@link PartitionedTable}. */
export interface TablePart {
  /** In the artifact. */
  path: string
  table: Table
}

/**
 * All tables of a folder in an artifact as one: `NAME.partitioned-table.json` there. The rows are
 * those of the parts that the version has when they are read; `artifact.get(name)` reads them.
 */
export class PartitionedTable {
  /** The folder, as a path in the artifact. */
  readonly partsPath: string
  readonly #open: (() => AsyncIterable<TablePart>) | undefined

  /** @throws `INVALID_PATH`. */
  constructor(
    partsPath: string,
    /** @internal */
    open?: () => AsyncIterable<TablePart>,
  ) {
    this.partsPath = normalizeArtifactPath(partsPath)
    this.#open = open
  }

  /**
   * The tables, in the order of their paths, each opened when it is asked for.
   * @throws `ARTIFACT_NOT_LOGGED` on one that `artifact.get` did not answer; `ENTRY_NOT_FOUND` when
   *   the folder has no table.
   */
  async *parts(): AsyncGenerator<TablePart, void, undefined> {
    if (!this.#open) {
      const message = `the parts in "${this.partsPath}" are an artifact's: artifact.get(name) reads them`
      throw new ArtifactError('ARTIFACT_NOT_LOGGED', message)
    }
    let none = true
    for await (const part of this.#open()) {
      none = false
      yield part
    }
    if (!none) return
    throw new ArtifactError('ENTRY_NOT_FOUND', `no table lies in "${this.partsPath}"`, {
      details: { path: this.partsPath },
    })
  }

  /**
   * The rows of all parts, one part after the other, read as they are asked for.
   * @throws as {@link parts}; `INVALID_TABLE`, naming the part, when its columns are not those of
   *   the first.
   */
  async *rows(): AsyncGenerator<Cell[], void, undefined> {
    let first: TablePart | undefined
    for await (const part of this.parts()) {
      first ??= part
      expectSameColumns(first, part)
      yield* part.table.rows()
    }
  }

  /** @internal The file that it becomes in an artifact. */
  encode(): Iterable<string> {
    return [encodeValue({ _type: 'partitioned-table', parts_path: this.partsPath })]
  }
}

function expectSameColumns(first: TablePart, part: TablePart): void {
  const [expected, found] = [first.table.columns, part.table.columns]
  if (expected.length === found.length && expected.every((name, at) => name === found[at])) return
  throw new ArtifactError(
    'INVALID_TABLE',
    `"${part.path}" has the columns ${inspect(found)}, "${first.path}" has ${inspect(expected)}`,
    { details: { path: part.path, columns: found, expected } },
  )
}
