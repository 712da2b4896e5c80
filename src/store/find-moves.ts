import type { Change } from '../model/change.js'
import type { Entry } from '../model/entry.js'

/** Changes among which moves are looked for: they are held until then. */
export const MOVES_AMONG = 100_000

/**
 * Makes one `moved` of a file that is gone and one with the same content at a new path, each taken
 * once, in path order; empty files, which are alike by chance, do not move. The order of the paths
 * stays. Of more than `among` changes none is looked at: they pass as they come.
 */
export async function* findMoves(
  changes: AsyncIterable<Change>,
  { among = MOVES_AMONG }: { among?: number } = {},
): AsyncGenerator<Change, void, undefined> {
  let held: Change[] = []
  let tooMany = false
  for await (const change of changes) {
    if (tooMany) {
      yield change
      continue
    }
    held.push(change)
    tooMany = held.length > among
    if (!tooMany) continue
    yield* held
    held = []
  }
  yield* pairMoves(held)
}

function* pairMoves(changes: Change[]): Generator<Change, void, undefined> {
  const gone = new Map<string, Entry[]>()
  for (const change of changes) {
    if (change.kind !== 'removed' || change.before.size === 0) continue
    const content = contentOf(change.before)
    const same = gone.get(content)
    if (same) same.push(change.before)
    else gone.set(content, [change.before])
  }
  for (const same of gone.values()) same.reverse()
  const moves = new Map<string, Entry>()
  const taken = new Set<string>()
  for (const change of changes) {
    if (change.kind !== 'added') continue
    const before = gone.get(contentOf(change.after))?.pop()
    if (!before) continue
    moves.set(change.path, before)
    taken.add(before.path)
  }
  for (const change of changes) {
    if (change.kind === 'removed' && taken.has(change.path)) continue
    const before = change.kind === 'added' ? moves.get(change.path) : undefined
    if (change.kind !== 'added' || !before) yield change
    else yield { ...change, kind: 'moved', from: before.path, before }
  }
}

function contentOf({ digest, size, ref = '' }: Entry): string {
  return `${digest} ${size} ${ref}`
}
