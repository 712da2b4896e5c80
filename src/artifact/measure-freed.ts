import { MAX_BATCH } from '../catalog/catalog.js'
import { isArtifactError } from '../errors.js'
import { MAX_FREED_IDS } from '../remote/messages.js'
import { cutRuns } from '../store/cut-runs.js'
import { measureFreed as measureHere } from '../store/measure-freed.js'
import { checkAborted } from '../store/progress.js'
import { askRemote, type Workspace } from './workspace.js'

/** How long the remote may read its manifests, in milliseconds. */
const REMOTE_MS = 60_000

export interface FreedBytes {
  /** In the local store. */
  local: number
  /** On the remote; null when there is none, or it does not tell. */
  remote: number | null
}

/** Bytes that these versions need and no other: what their deletion makes free to go. */
export async function measureFreed(
  workspace: Workspace,
  versions: { id: string; entity: string }[],
  { signal }: { signal: AbortSignal },
): Promise<FreedBytes> {
  const ids = versions.map(({ id }) => id)
  const local = await measureHere(workspace.store, new Set(ids), { signal })
  const remote = await askRemote(workspace)
  const entity = versions[0]?.entity
  if (!remote || entity === undefined) return { local, remote: null }
  if (ids.length > MAX_FREED_IDS || versions.some(one => one.entity !== entity)) {
    return { local, remote: null }
  }
  const there: string[] = []
  for (const some of cutRuns(ids, { weigh: () => 1, most: MAX_BATCH })) {
    const known = await workspace.store.catalog.listRemoteIds(some)
    there.push(...some.map((id, index) => known[index] ?? id))
  }
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(REMOTE_MS)])
    return { local, remote: await remote.measureFreed(entity, there, { signal: limit }) }
  } catch (error) {
    checkAborted(signal)
    // What is to be deleted is known without it.
    if (!isArtifactError(error)) throw error
    return { local, remote: null }
  }
}
