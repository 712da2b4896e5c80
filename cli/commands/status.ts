import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { askRemote, type Workspace } from '../../src/artifact/workspace.js'
import type { KeptConflict } from '../../src/catalog/changing.js'
import { decodeExternal } from '../../src/catalog/index-external.js'
import { type ErrorData, isArtifactError, storeError, systemCode } from '../../src/errors.js'
import { homePaths } from '../../src/model/home.js'
import { NO_NUMBER } from '../../src/model/version.js'
import { locateBlobs } from '../../src/store/locate-blobs.js'
import { readBlob } from '../../src/store/read-blob.js'
import type { Store } from '../../src/store/store.js'
import { connectDaemon } from '../../src/sync/daemon-client.js'
import type { VersionStatus } from '../../src/sync/progress-tracker.js'
import { collectPages } from '../collect-pages.js'
import { type Context, openContext, type Result } from '../context.js'
import { describeConflict } from '../describe-conflict.js'
import { describeItems, type ItemStatus } from '../describe-items.js'
import { count, formatBytes } from '../format.js'

/** How long the remote may take to show that it is there. */
const REACH_MS = 500
/** Files that must stay where they are, named for one version. */
const NAMED_FILES = 1000

export async function status(_options: object, context: Context): Promise<Result> {
  const workspace = openContext(context)
  const { settings, store } = workspace
  const [items, conflicts, daemon, { reachable, remoteLost, remoteError }] = await Promise.all([
    collectPages(after => store.catalog.listPending(after)),
    collectPages(after => store.catalog.listConflicts({}, after)),
    daemonStatus(store.home),
    askForLoss(workspace, context.signal),
  ])
  const syncing = new Map(daemon?.versions.map(version => [version.id, version]))
  const versions = await Promise.all(
    items.map(async item => {
      const { versionId: id, entity, project, name, kind, error, remote, distributedId, ids } = item
      const version = await store.catalog.getVersion(id)
      const [deleted] = version ? [] : await store.catalog.findDeleted([id])
      const { number = NO_NUMBER } = version ?? deleted ?? {}
      const hasBytes = kind === 'version' || kind === 'upsert'
      const progress = hasBytes ? syncing.get(id) : undefined
      return {
        entity,
        project,
        name,
        id,
        version: number === NO_NUMBER ? null : `v${number}`,
        kind,
        ...(kind === 'version' && deleted && { deleted: true }),
        ...(ids && { versions: ids.length }),
        ...(distributedId !== undefined && { group: distributedId }),
        state: error ? 'failed' : progress?.active ? 'syncing' : 'pending',
        remote: remote ?? settings.remote,
        isElsewhere: remote !== null && remote !== settings.remote,
        ...(version && hasBytes && { size: version.size }),
        ...(progress && { progress: withoutName(progress) }),
        ...(error && { error }),
        mustStay: hasBytes ? await listExternal(store, id) : [],
      }
    }),
  )
  const data = {
    pending: items.filter(({ error }) => !error).length,
    failed: items.filter(({ error }) => error).length,
    daemon: daemon !== null,
    lastError: daemon?.lastError ?? null,
    remote: settings.remote,
    reachable,
    remoteLost,
    remoteError,
    storeBytes: storeBytes(store.home),
    home: store.home,
    versions,
    conflicts,
  }
  return { data, text: describe(data) }
}

function withoutName({ id: _, name: __, size: ___, ...progress }: VersionStatus) {
  return progress
}

async function daemonStatus(home: string) {
  const daemon = await connectDaemon(home)
  if (!daemon) return null
  try {
    return await daemon.status()
  } finally {
    daemon.close()
  }
}

/** Whether the remote answers, and whether it lost some of what it took. */
async function askForLoss(workspace: Workspace, signal: AbortSignal) {
  const remote = await askRemote(workspace)
  if (!remote) return { reachable: false, remoteLost: false, remoteError: null }
  const since = (await workspace.store.catalog.findMark(remote.url)) ?? undefined
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(REACH_MS)])
    await remote.capabilities({ since, signal: deadline })
    return { reachable: true, remoteLost: false, remoteError: null }
  } catch (error) {
    const remoteLost = isArtifactError(error, 'HISTORY_LOST')
    const isSilent = !isArtifactError(error) || error.code === 'INTERRUPTED'
    const remoteError = remoteLost || isSilent ? null : error.toJSON()
    return { reachable: remoteLost, remoteLost, remoteError }
  }
}

/** Files that a pending version still needs where they are (policy `immutable`). */
async function listExternal(store: Store, id: string): Promise<string[]> {
  const files: string[] = []
  for (const piece of await store.catalog.getExternal(id)) {
    const key = { kind: 'blob' as const, digest: piece.digest, size: piece.size }
    const [place] = await locateBlobs(store, [key], { external: false })
    if (!place || place.in === 'recipe' || files.length >= NAMED_FILES) continue
    files.push(...decodeExternal(await readBlob(store.home, key, place)).map(({ file }) => file))
  }
  return files.slice(0, NAMED_FILES)
}

function storeBytes(home: string): number {
  const { packs, objects, journal, catalog, tmp } = homePaths(home)
  return [packs, objects, journal, catalog, tmp].reduce((sum, path) => sum + bytesBelow(path), 0)
}

/** What is gone by the time it is looked at, such as files of a running ingest, takes no room. */
function bytesBelow(folder: string): number {
  let entries: Dirent[]
  try {
    entries = readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0
    throw storeError(error, `reading ${folder}`)
  }
  let bytes = 0
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) bytes += bytesBelow(path)
    else if (entry.isFile()) bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0
  }
  return bytes
}

function describe(data: {
  pending: number
  failed: number
  daemon: boolean
  lastError: ErrorData | null
  remote: string | null
  reachable: boolean
  remoteLost: boolean
  /** Why it is of no use, if it said so. */
  remoteError: ErrorData | null
  storeBytes: number
  home: string
  versions: ItemStatus[]
  conflicts: KeptConflict[]
}): string {
  const lines = describeItems(data.versions)
  const stay = data.versions.flatMap(({ mustStay }) => mustStay)
  if (stay.length > 0) {
    lines.push(`${count(stay.length, 'file')} must stay unchanged until synced:`)
    lines.push(...stay.map(file => `  ${file}`))
  }
  const remote = data.remote ?? 'none'
  const lastError = data.lastError ? `; last error: ${data.lastError.message}` : ''
  const lost = ' (was wiped or put back: the next sync sends again what it lost)'
  const { remoteError: error } = data
  const why = error && error.code !== 'REMOTE_UNREACHABLE' ? error.message : 'does not answer'
  const silent = data.remote !== null && !data.reachable ? ` (${why})` : ''
  return [
    ...lines,
    ...data.conflicts.map(describeLine),
    `${data.pending} pending, ${data.failed} failed`,
    `artifactd  ${data.daemon ? 'runs' : 'does not run'}${lastError}`,
    `remote     ${remote}${data.remoteLost ? lost : silent}`,
    `store      ${data.home}, ${formatBytes(data.storeBytes)}`,
  ].join('\n')
}

function describeLine(conflict: KeptConflict): string {
  const { project, name, versionId } = conflict
  return `conflict ${project}/${name}@${versionId.slice(0, 8)}  ${describeConflict(conflict)}`
}
