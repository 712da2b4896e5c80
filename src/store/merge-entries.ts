import { compareUtf8 } from '../model/artifact-path.js'
import type { Entry } from '../model/entry.js'
import { EntryRun } from './entry-run.js'

/** Sources that are read at once; of each a piece, or as much of a run, is in memory. */
const FAN_IN = 64
/** Entries of a run that are unpacked at once. */
const ENTRIES_A_TURN = 1000

/** Entries in path order, a run at a time. */
export type EntrySource = AsyncIterable<Entry[]>

/** Which of two entries of one path counts; `later` is of the later source. May throw. */
export type ChooseEntry = (earlier: Entry, later: Entry) => Entry

interface Head {
  entries: Entry[]
  at: number
  source: AsyncIterator<Entry[]>
  /** Place of the source among all: of one path, the later one comes later. */
  order: number
}

/**
 * Merges any number of sources into one, in path order. More than 64 are merged in rounds, whose
 * results are kept packed in memory, in 30 to 60 bytes an entry.
 */
export async function* mergeEntries(
  sources: EntrySource[],
  choose: ChooseEntry,
): AsyncGenerator<Entry, void, undefined> {
  let rest = sources
  while (rest.length > FAN_IN) {
    const runs: EntrySource[] = []
    for (let start = 0; start < rest.length; start += FAN_IN) {
      const run = new EntryRun()
      for await (const entry of mergeSome(rest.slice(start, start + FAN_IN), choose))
        run.push(entry)
      runs.push(listRun(run))
    }
    rest = runs
  }
  yield* mergeSome(rest, choose)
}

async function* listRun(run: EntryRun): AsyncGenerator<Entry[], void, undefined> {
  let some: Entry[] = []
  for (const entry of run.entries()) {
    if (some.push(entry) < ENTRIES_A_TURN) continue
    yield some
    some = []
  }
  yield some
}

async function* mergeSome(
  sources: EntrySource[],
  choose: ChooseEntry,
): AsyncGenerator<Entry, void, undefined> {
  /** In the order of their first entries. */
  const heads: Head[] = []
  await Promise.all(
    sources.map((source, order) =>
      advance(heads, { entries: [], at: 0, source: source[Symbol.asyncIterator](), order }),
    ),
  )
  let chosen: Entry | undefined
  for (let head = heads.shift(); head; head = heads.shift()) {
    const entry = head.entries[head.at]!
    const same = chosen?.path === entry.path
    if (chosen && !same) yield chosen
    chosen = chosen && same ? choose(chosen, entry) : entry
    await advance(heads, head, 1)
  }
  if (chosen) yield chosen
}

/** Puts a head where its next entry belongs; leaves it out when it has none. */
async function advance(heads: Head[], head: Head, by = 0): Promise<void> {
  head.at += by
  while (head.at >= head.entries.length) {
    const { done, value } = await head.source.next()
    if (done) return
    head.entries = value
    head.at = 0
  }
  let low = 0
  let high = heads.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (comesBefore(heads[middle]!, head)) low = middle + 1
    else high = middle
  }
  heads.splice(low, 0, head)
}

function comesBefore(a: Head, b: Head): boolean {
  const order = compareUtf8(a.entries[a.at]!.path, b.entries[b.at]!.path)
  return order === 0 ? a.order < b.order : order < 0
}
