import { useArtifact } from '../../src/artifact/use-artifact.js'
import { ArtifactError, ERRORS } from '../../src/errors.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes, labelVersion } from '../format.js'
import { verifyWholeStore } from './verify-whole-store.js'

export async function verify(
  name: string | undefined,
  { root, store, restart }: { root?: string; store?: boolean; restart?: boolean },
  context: Context,
): Promise<Result> {
  if (store) {
    if (name !== undefined || root !== undefined) {
      throw new ArtifactError('USAGE', '--store goes with neither a name nor --root')
    }
    return verifyWholeStore({ restart }, context)
  }
  if (restart) throw new ArtifactError('USAGE', '--restart goes with --store')
  if (name === undefined) throw new ArtifactError('USAGE', 'name a version, or give --store')
  const workspace = openContext(context)
  const { signal, onProgress } = context
  const { project } = workspace.settings
  const version = await useArtifact(workspace, name, { project, signal })
  const {
    files,
    bytes,
    problems,
    recovered = 0,
  } = await version.verify(root, { signal, onProgress })
  const data = { id: version.id, version: version.versionOrNull, files, bytes, problems, recovered }
  const label = labelVersion(version)
  const where = root ?? 'the local store'
  const lines = problems.map(({ path, problem, message }) => `${problem}  ${path}  (${message})`)
  const summary =
    problems.length === 0
      ? `${label}: ${count(files, 'file')}, ${formatBytes(bytes)} in ${where} verified`
      : `${label}: ${count(problems.length, 'problem')} in ${where}`
  if (recovered > 0) lines.push(`${count(recovered, 'file')} damaged in the store, and got again`)
  const exitCode = problems.length === 0 ? 0 : ERRORS.VERIFY_DIFFERS.exit
  return { data, text: [...lines, summary].join('\n'), exitCode }
}
