import type { LoggedArtifact } from '../../src/artifact/logged-artifact.js'
import { useArtifact } from '../../src/artifact/use-artifact.js'
import type { Change } from '../../src/model/change.js'
import { MOVES_AMONG } from '../../src/store/find-moves.js'
import { type Context, openContext } from '../context.js'
import { count, formatBytes, labelVersion } from '../format.js'

/** Characters printed at once. */
const PART = 64 * 1024

const LETTERS = { added: 'A', removed: 'D', changed: 'M', moved: 'R' }

/** Files of one kind of change, and their bytes: those of `after`, and of what was removed. */
type Totals = Record<Change['kind'], { files: number; bytes: number }>

/** Prints changes as they are found. It ends with the exit code: 1 if there is any. */
export async function* diff(
  before: string,
  after: string,
  { json = false, context }: { json?: true | boolean; context: Context },
): AsyncGenerator<string, number> {
  const workspace = openContext(context)
  const { signal, note } = context
  const { project } = workspace.settings
  const a = await useArtifact(workspace, before, { project, signal })
  const b = await useArtifact(workspace, after, { project, signal })
  const totals: Totals = {
    added: { files: 0, bytes: 0 },
    removed: { files: 0, bytes: 0 },
    changed: { files: 0, bytes: 0 },
    moved: { files: 0, bytes: 0 },
  }
  const seen = () => Object.values(totals).reduce((sum, { files }) => sum + files, 0)
  let text = json
    ? `{"before":${JSON.stringify(describe(a))},"after":${JSON.stringify(describe(b))},"changes":[`
    : ''
  for await (const change of a.diff(b, { signal })) {
    if (json) text += `${seen() === 0 ? '' : ','}${JSON.stringify(change)}`
    else text += `${LETTERS[change.kind]}  ${formatChange(change)}\n`
    const total = totals[change.kind]
    total.files += 1
    total.bytes += change.kind === 'removed' ? change.before.size : change.after.size
    if (text.length < PART) continue
    yield text
    text = ''
  }
  const found = seen()
  if (found > MOVES_AMONG) {
    note(`moves are looked for among ${count(MOVES_AMONG, 'change')}; here are more`)
  }
  yield text + (json ? `],"totals":${JSON.stringify(totals)}}\n` : summarize(a, b, totals))
  return found > 0 ? 1 : 0
}

function describe({ entity, project, name, id, versionOrNull, fileCount, size }: LoggedArtifact) {
  return { entity, project, name, id, version: versionOrNull, fileCount, size }
}

function formatChange(change: Change): string {
  const { kind, path } = change
  if (kind === 'moved') return `${change.from} → ${path}  ${formatBytes(change.after.size)}`
  if (kind === 'added') return `${path}  ${formatBytes(change.after.size)}`
  if (kind === 'removed') return `${path}  ${formatBytes(change.before.size)}`
  const sizes = [...new Set([change.before.size, change.after.size])].map(formatBytes)
  return `${path}  ${sizes.join(' → ')}`
}

function summarize(a: LoggedArtifact, b: LoggedArtifact, totals: Totals): string {
  const parts = Object.entries(totals)
    .filter(([, { files }]) => files > 0)
    .map(([kind, { files, bytes }]) => `${count(files, 'file')} ${kind} (${formatBytes(bytes)})`)
  const what = parts.length > 0 ? parts.join(', ') : 'no difference'
  return `${labelVersion(a)} → ${labelVersion(b)}  ${what}\n`
}
