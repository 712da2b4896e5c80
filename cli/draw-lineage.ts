import {
  type Direction,
  type Lineage,
  type LineageVersion,
  ROLES,
} from '../src/artifact/trace-lineage.js'
import type { RunInfo } from '../src/model/version.js'

/** A line that is to be drawn: its text, and the nodes behind it. */
interface Node {
  key: string
  text: string
}

const VERBS = { input: ['used by', 'used'], output: ['logged by', 'logged'] } as const

/** One tree a direction. What stands behind a node is drawn once, however many ways lead to it. */
export function drawLineage(lineage: Lineage, directions: Direction[]): string {
  const root = lineage.versions.get(lineage.root)!
  const lines = [labelOf(root)]
  for (const direction of directions) {
    const tree = drawTree(lineage, direction)
    lines.push(direction, ...(tree.length > 0 ? tree : ['└─ nothing is known']))
  }
  return lines.join('\n')
}

function drawTree({ root, versions, runs, edges }: Lineage, direction: Direction): string[] {
  const { ofVersion, ofRun } = ROLES[direction]
  const behind = new Map<string, Node[]>()
  const add = (key: string, node: Node) => {
    const nodes = behind.get(key)
    if (nodes) nodes.push(node)
    else behind.set(key, [node])
  }
  for (const { role, run, version } of edges) {
    const label = { run: describeRun(runs.get(run)!), version: labelOf(versions.get(version)!) }
    const [ofIt, toIt] = VERBS[role]
    if (role === ofVersion) add(version, { key: run, text: `${ofIt} ${label.run}` })
    if (role === ofRun) add(run, { key: version, text: `${toIt} ${label.version}` })
  }
  const lines: string[] = []
  const drawn = new Set([root])
  // Chains may be longer than calls can be nested.
  const waiting = [...(behind.get(root) ?? [])].map((node, index, all) => ({
    node,
    indent: '',
    last: index === all.length - 1,
  }))
  waiting.reverse()
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { node, indent, last } = next
    const nodes = behind.get(node.key) ?? []
    const again = drawn.has(node.key)
    const more = again && nodes.length > 0 ? '  (see above)' : ''
    lines.push(`${indent}${last ? '└─' : '├─'} ${node.text}${more}`)
    if (again) continue
    drawn.add(node.key)
    const below = `${indent}${last ? '   ' : '│  '}`
    for (const [index, child] of [...nodes.entries()].reverse()) {
      waiting.push({ node: child, indent: below, last: index === nodes.length - 1 })
    }
  }
  return lines
}

function labelOf({ id, project, name, number, state }: LineageVersion): string {
  const version = number === null ? `@${id.slice(0, 8)}` : `:v${number}`
  const note = state === null || state === 'synced' ? '' : `  (${state})`
  return `${project}/${name}${version}${note}`
}

function describeRun({ id, project, name, jobType }: RunInfo): string {
  const words = [name, jobType].filter(word => word !== undefined)
  return `run ${project}/${id}${words.length > 0 ? ` (${words.join(', ')})` : ''}`
}
