import type { FoundEdge, Role } from '../model/lineage.js'
import type { RunInfo } from '../model/version.js'
import type { EdgeFinder } from '../sync/edge-finder.js'
import { openEdgeFinder } from './open-edge-finder.js'
import type { Workspace } from './workspace.js'

/** In which direction a graph is followed: to what a version was made from, or what was made of it. */
export type Direction = 'upstream' | 'downstream'

export type LineageVersion = Omit<FoundEdge['version'], 'remoteId'>

export interface Lineage {
  /** The id of the version that it begins with. */
  root: string
  versions: Map<string, LineageVersion>
  /** By {@link runKey}. */
  runs: Map<string, RunInfo>
  edges: { role: Role; run: string; version: string }[]
  /** Whether the remote was asked and answered, or this is what the store knows. */
  resolved: 'remote' | 'local'
}

export interface TraceOptions {
  directions: Direction[]
  /** How many runs away. Default: without end. */
  depth?: number
  signal?: AbortSignal
}

export function runKey({ id, project }: Pick<RunInfo, 'id' | 'project'>): string {
  return `${project}/${id}`
}

/** The role in which a run stands behind a version, in one direction; the other comes after it. */
export const ROLES: Record<Direction, { ofVersion: Role; ofRun: Role }> = {
  upstream: { ofVersion: 'output', ofRun: 'input' },
  downstream: { ofVersion: 'input', ofRun: 'output' },
}

/**
 * The graph of versions and runs around a version, through any projects of its entity. Each node is
 * asked about once, and those that are as far away together.
 */
export async function traceLineage(
  workspace: Workspace,
  { id, ...version }: LineageVersion,
  { directions, depth = Number.POSITIVE_INFINITY, signal }: TraceOptions,
): Promise<Lineage> {
  const finder = await openEdgeFinder(workspace, { entity: version.entity, signal })
  const root = await finder.findId(id)
  const lineage: Lineage = {
    root,
    versions: new Map([[root, { ...version, id: root }]]),
    runs: new Map(),
    edges: [],
    resolved: 'local',
  }
  const known = new Set<string>()
  for (const direction of directions) {
    for await (const edge of walk(finder, root, { ...ROLES[direction], depth })) {
      const { role, run, version } = edge
      const key = [role, runKey(run), version.id].join('\0')
      if (known.has(key)) continue
      known.add(key)
      // Of the root more is known than the edge tells, unless the remote has deleted it.
      if (version.id !== root || version.state === 'deleted') {
        lineage.versions.set(version.id, version)
      }
      lineage.runs.set(runKey(run), run)
      lineage.edges.push({ role, run: runKey(run), version: version.id })
    }
  }
  return { ...lineage, resolved: finder.resolved }
}

/** Edges in the order of their distance. */
async function* walk(
  finder: EdgeFinder,
  root: string,
  { ofVersion, ofRun, depth }: { ofVersion: Role; ofRun: Role; depth: number },
): AsyncGenerator<FoundEdge, void, undefined> {
  const seenVersions = new Set([root])
  const seenRuns = new Set<string>()
  let versionIds = [root]
  for (let step = 0; step < depth && versionIds.length > 0; step += 1) {
    const runs: RunInfo[] = []
    const found = await finder.find(versionIds.map(versionId => ({ role: ofVersion, versionId })))
    for (const edge of found) {
      yield edge
      if (seenRuns.has(runKey(edge.run))) continue
      seenRuns.add(runKey(edge.run))
      runs.push(edge.run)
    }
    versionIds = []
    const ofRuns = runs.map(({ id, project }) => ({ role: ofRun, run: { id, project } }))
    for (const edge of await finder.find(ofRuns)) {
      yield edge
      if (seenVersions.has(edge.version.id)) continue
      seenVersions.add(edge.version.id)
      versionIds.push(edge.version.id)
    }
  }
}
