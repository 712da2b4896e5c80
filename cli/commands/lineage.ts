import { findTraced } from '../../src/artifact/find-traced.js'
import { type Direction, runKey, traceLineage } from '../../src/artifact/trace-lineage.js'
import { type Context, openContext, type Result } from '../context.js'
import { drawLineage } from '../draw-lineage.js'

export async function lineage(
  name: string,
  options: { upstream?: boolean; downstream?: boolean; depth?: number },
  context: Context,
): Promise<Result> {
  const workspace = openContext(context)
  const { signal, note } = context
  const { project, remote } = workspace.settings
  const version = await findTraced(workspace, name, { project, signal })
  const asked = (['upstream', 'downstream'] as const).filter(direction => options[direction])
  const directions: Direction[] = asked.length > 0 ? asked : ['upstream', 'downstream']
  const { depth } = options
  const graph = await traceLineage(workspace, version, { directions, depth, signal })
  if (graph.resolved === 'local' && remote !== null) {
    note('the remote did not answer; this is what the local store has')
  }
  const { root, versions, runs, edges, resolved } = graph
  const data = {
    root,
    nodes: [
      ...[...versions.values()].map(version => ({ kind: 'version', ...version })),
      ...[...runs.values()].map(run => ({ ...run, kind: 'run', id: runKey(run), run: run.id })),
    ],
    edges: edges.map(({ role, run, version }) =>
      role === 'input' ? { from: version, to: run } : { from: run, to: version },
    ),
    resolved,
  }
  return { data, text: drawLineage(graph, directions) }
}
