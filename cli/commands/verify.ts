import { useArtifact } from '../../src/artifact/use-artifact.js'
import { ERRORS } from '../../src/errors.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes } from '../format.js'

export async function verify(
  name: string,
  { root }: { root?: string },
  context: Context,
): Promise<Result> {
  const workspace = openContext(context)
  const { signal, onProgress } = context
  const { project } = workspace.settings
  const version = await useArtifact(workspace, name, { project, signal })
  const { files, bytes, problems } = await version.verify(root, { signal, onProgress })
  const data = { id: version.id, version: version.version, files, bytes, problems }
  const label = `${version.project}/${version.name}:${version.version}`
  const where = root ?? 'the local store'
  const lines = problems.map(({ path, problem, message }) => `${problem}  ${path}  (${message})`)
  const summary =
    problems.length === 0
      ? `${label}: ${count(files, 'file')}, ${formatBytes(bytes)} in ${where} verified`
      : `${label}: ${count(problems.length, 'problem')} in ${where}`
  const exitCode = problems.length === 0 ? 0 : ERRORS.VERIFY_DIFFERS.exit
  return { data, text: [...lines, summary].join('\n'), exitCode }
}
