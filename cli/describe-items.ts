import type { PendingItem } from '../src/catalog/catalog.js'
import type { VersionStatus } from '../src/sync/progress-tracker.js'
import { describeProgress } from './describe-progress.js'
import { count, formatBytes } from './format.js'

/** What `status` says of one pending or failed item. */
export interface ItemStatus {
  kind: PendingItem['kind']
  project: string
  name: string
  id: string
  /** Null when it has no number. */
  version: string | null
  /** Of parts of a version that a group of runs builds, and of the request to finish it. */
  group?: string
  state: string
  /** Of a deletion: how many. */
  versions?: number
  /** A version that was deleted before it was sent. */
  deleted?: boolean
  /** What the version holds, in bytes. */
  size?: number
  /** How artifactd fares with it. */
  progress?: Omit<VersionStatus, 'id' | 'name' | 'size'>
  error?: { code: string; message: string }
  mustStay: string[]
  /** Where it goes: not where the remote that is set is. */
  remote: string | null
  isElsewhere: boolean
}

/** What is to be done with it, where it is not to be sent. */
const WHAT: { [kind in ItemStatus['kind']]?: (item: ItemStatus) => string } = {
  version: ({ deleted }) => (deleted ? '  only its number: it is deleted' : ''),
  finish: ({ group }) => `  to be finished, group "${group}"`,
  alias: () => '  its aliases',
  edit: () => '  edited',
  delete: ({ versions }) => `  ${count(versions ?? 1, 'version')} deleted`,
}

/** A line for each; the parts of one group that wait are one line. */
export function describeItems(items: ItemStatus[]): string[] {
  const lines = new Map<string, { parts: number; line: (parts: number) => string }>()
  for (const item of items) {
    const isPart = item.kind === 'upsert' && item.state === 'pending'
    const key = isPart ? [item.project, item.name, item.group].join('\0') : item.id + item.kind
    const line = lines.get(key) ?? { parts: 0, line: parts => describe(item, parts) }
    line.parts += 1
    lines.set(key, line)
  }
  return [...lines.values()].map(({ parts, line }) => line(parts))
}

function describe(item: ItemStatus, parts: number): string {
  const { kind, project, name, id, version, group, state, progress, size, error } = item
  const collection = `${project}/${name}`
  const head = state.padEnd(8)
  if (kind === 'upsert' && state === 'pending') {
    return `${head} ${collection}  ${count(parts, 'part')} of the group "${group}"`
  }
  const shown =
    kind === 'delete'
      ? collection
      : `${collection}${version === null ? `@${id.slice(0, 8)}` : `:${version}`}`
  const held = size === undefined || error ? '' : formatBytes(size)
  const sent = [held, progress ? describeProgress(progress) : ''].filter(Boolean).join(', ')
  const what = kind === 'use' ? `  used by ${count(parts, 'run')}` : (WHAT[kind]?.(item) ?? '')
  const failure = error ? `  ${error.message}${adviseOn(item)}` : ''
  const elsewhere = item.isElsewhere ? `  for ${item.remote}` : ''
  return `${head} ${shown}${what}${sent && `  ${sent}`}${elsewhere}${failure}`
}

/** What can be done about it, besides what the error says. */
function adviseOn({ kind, project, name, id, group, error }: ItemStatus): string {
  if (kind === 'upsert' && error?.code === 'ARTIFACT_FINALIZED') {
    const part = `${project}/${name}@${id.slice(0, 8)}`
    return (
      `\n         it is kept; to log it as a version of its own: ` +
      `artifact get ${part} --root DIR && artifact put DIR -n ${project}/${name}` +
      `\n         to give it up: artifact sync --drop ${id.slice(0, 8)}`
    )
  }
  if (kind === 'version' && error?.code === 'TYPE_CONFLICT') {
    return `\n         to give it another name: artifact sync --rename ${project}/${name}=NEW`
  }
  if (kind === 'finish' && error?.code === 'ENTRY_CONFLICT') {
    return `\n         artifact finish ${project}/${name} --group ${group} --on-conflict last`
  }
  return ''
}
