import type { Part } from '../catalog/open-version.js'
import { ArtifactError } from '../errors.js'
import type { OnConflict } from '../model/commit.js'
import type { Entry } from '../model/entry.js'
import type { RunInfo } from '../model/version.js'
import { readEntries } from './manifest.js'
import { mergeEntries } from './merge-entries.js'
import { Nesting } from './nesting.js'
import type { Store } from './store.js'

/**
 * The entries of all parts, in path order. Equal content at one path is one entry.
 *
 * @throws `ENTRY_CONFLICT`, naming the path and the runs, where two parts have different content
 *   at it and `onConflict` is `error`, and where a path is a folder of another.
 */
export async function* mergeParts(
  store: Store,
  parts: Part[],
  onConflict: OnConflict,
): AsyncGenerator<Entry, void, undefined> {
  const choose = (earlier: Entry, later: Entry) => {
    const same = earlier.digest === later.digest && earlier.ref === later.ref
    if (!same && onConflict === 'error') throw new Conflict(later.path)
    return later
  }
  const sources = parts.map(({ version }) => readEntries(store, version.pieces))
  const nesting = new Nesting()
  try {
    for await (const entry of mergeEntries(sources, choose)) {
      const file = nesting.push(entry.path)
      if (file !== undefined) throw new Conflict(file, entry.path)
      yield entry
    }
  } catch (error) {
    throw error instanceof Conflict ? await explain(store, parts, error) : error
  }
}

/** Which parts are at fault is looked up when it is asked for: entries do not carry their run. */
class Conflict extends Error {
  readonly paths: string[]

  constructor(...paths: string[]) {
    super('conflict')
    this.paths = paths
  }
}

async function explain(store: Store, parts: Part[], { paths }: Conflict): Promise<ArtifactError> {
  const claims = new Map<string, { path: string; run: string }>()
  for (const { version } of parts) {
    for await (const entries of readEntries(store, version.pieces)) {
      for (const { path, digest, ref } of entries) {
        if (!paths.includes(path)) continue
        const content = `${path}\0${digest}\0${ref ?? ''}`
        if (!claims.has(content)) claims.set(content, { path, run: describeRun(version.run) })
      }
    }
  }
  const [first, second] = [...claims.values()]
  const [path, below] = paths
  const message =
    below === undefined
      ? `"${path}" has different content in ${first?.run} and ${second?.run}`
      : `"${path}" of ${first?.run} is a folder of "${below}" of ${second?.run}`
  const runs = [...claims.values()].map(({ run }) => run)
  return new ArtifactError('ENTRY_CONFLICT', message, { details: { path, below, runs } })
}

function describeRun(run: RunInfo | null): string {
  if (!run) return 'no run'
  return run.name === undefined ? `run ${run.id}` : `run ${run.id} (${run.name})`
}
