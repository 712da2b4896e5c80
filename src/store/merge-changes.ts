import { isDeepStrictEqual } from 'node:util'
import { ArtifactError } from '../errors.js'
import { compareUtf8 } from '../model/artifact-path.js'
import type { Entry, Piece } from '../model/entry.js'
import type { Manifest } from '../model/version.js'
import type { Ingest } from './ingest.js'
import { readPiece, writeManifestWith } from './manifest.js'
import { Nesting } from './nesting.js'
import type { Store } from './store.js'

/** Added entries that are handed on at once. */
const ENTRIES_A_RUN = 1000

/** What makes another manifest of a base. */
export interface Changes {
  /** In path order. */
  added: Iterable<Entry>
  /** An entry of the base goes, unless one of the same path is added. */
  removes(path: string): boolean
  /** Called where an added entry takes the path of one that stays; may throw. */
  replace(base: Entry, added: Entry): void
}

/** Entries in path order: those of a piece of the base as it is, or others. */
interface Run {
  piece?: Piece
  entries: Entry[]
}

/** The entries of a base with changes, in path order. @throws as {@link mergeManifest}. */
export async function* listChanged(
  store: Store,
  base: Piece[],
  changes: Changes,
): AsyncGenerator<Entry, void, undefined> {
  for await (const { entries } of mergeRuns(store, base, changes)) yield* entries
}

/**
 * Writes the manifest of a base with changes. Pieces of the base are read one after another, because
 * the artifact digest covers every entry; those that no change touches are not made anew.
 *
 * @throws `ENTRY_CONFLICT` where a path is a folder of another; what `changes.replace` throws; as
 *   `readPiece`.
 */
export function mergeManifest(
  store: Store,
  ingest: Pick<Ingest, 'addBytes'>,
  { base, changes }: { base: Piece[]; changes: Changes },
): Promise<Manifest> {
  return writeManifestWith(ingest, store.algorithm, async writer => {
    for await (const { piece, entries } of mergeRuns(store, base, changes)) {
      if (piece && (await writer.copy(piece, entries))) continue
      for (const entry of entries) if (writer.add(entry)) await writer.turn()
    }
  })
}

async function* mergeRuns(
  store: Store,
  base: Piece[],
  changes: Changes,
): AsyncGenerator<Run, void, undefined> {
  const nesting = new Nesting()
  const added = changes.added[Symbol.iterator]()
  let next = added.next()
  let entries: Entry[] = []
  function* takeAdded(end?: string): Generator<Run, void, undefined> {
    for (; !next.done; next = added.next()) {
      if (end !== undefined && compareUtf8(next.value.path, end) >= 0) return
      if (entries.push(next.value) < ENTRIES_A_RUN) continue
      yield finishRun(nesting, entries)
      entries = []
    }
  }
  for (const [index, piece] of base.entries()) {
    let isSame = true
    for (const entry of await readPiece(store, piece)) {
      if (!next.done && compareUtf8(next.value.path, entry.path) < 0) {
        isSame = false
        yield* takeAdded(entry.path)
      }
      const other = next.done || next.value.path !== entry.path ? undefined : next.value
      const goes = changes.removes(entry.path)
      if (other) {
        if (!goes) changes.replace(entry, other)
        next = added.next()
      }
      const kept = other ?? (goes ? undefined : entry)
      if (kept) entries.push(kept)
      if (kept !== entry && !isDeepStrictEqual(kept, entry)) isSame = false
    }
    // What ends the base was not cut by the rule, and is no whole piece once something follows.
    const isWhole = isSame && (index < base.length - 1 || next.done === true)
    yield finishRun(nesting, entries, isWhole ? piece : undefined)
    entries = []
  }
  yield* takeAdded()
  yield finishRun(nesting, entries)
}

/** @throws `ENTRY_CONFLICT`. */
function finishRun(nesting: Nesting, entries: Entry[], piece?: Piece): Run {
  for (const { path } of entries) {
    const file = nesting.push(path)
    if (file === undefined) continue
    const message = `"${file}" is a file, and the folder of "${path}": remove one of them`
    throw new ArtifactError('ENTRY_CONFLICT', message, { details: { path: file, below: path } })
  }
  return { entries, ...(piece && { piece }) }
}
