import { useArtifact } from '../../src/artifact/use-artifact.js'
import type { DownloadOptions } from '../../src/artifact/version-files.js'
import { ensureDaemon } from '../../src/artifact/workspace.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes, labelVersion } from '../format.js'

export async function get(
  name: string,
  options: Pick<
    DownloadOptions,
    'root' | 'overwrite' | 'link' | 'verify' | 'allowMissingReferences'
  >,
  context: Context,
): Promise<Result> {
  const workspace = openContext(context)
  const { signal, onProgress, note } = context
  const { project } = workspace.settings
  const version = await useArtifact(workspace, name, { project, signal })
  const downloadedBytes = await version.fetch({ signal, onProgress })
  const missingReferences: { path: string; ref: string; error: object }[] = []
  const root = await version.download({
    ...options,
    signal,
    onProgress,
    onMissingReference: ({ path, ref, error }) => {
      note(`left out: ${path} (${error.message})`)
      missingReferences.push({ path, ref, error: error.toJSON() })
    },
  })
  // What came may be too much for the limit of the cache.
  if (workspace.settings.cacheLimit !== null) await ensureDaemon(workspace)
  const { resolved, asOf } = version.resolution!
  const data = {
    root,
    entity: version.entity,
    project: version.project,
    name: version.name,
    id: version.id,
    version: version.versionOrNull,
    fileCount: version.fileCount,
    size: version.size,
    downloadedBytes,
    resolved,
    asOf,
    missingReferences,
  }
  noteAge(data, workspace.settings.remote !== null, context)
  const text =
    `${labelVersion(version)} → ${root}  ` +
    `${count(data.fileCount, 'file')}, ${formatBytes(data.size)}; ${formatBytes(downloadedBytes)} fetched`
  return { data, text }
}

/** Says how old a local answer is, where a remote might know better. */
export function noteAge(
  { resolved, asOf }: { resolved: 'remote' | 'local'; asOf: string | null },
  hasRemote: boolean,
  { note }: Pick<Context, 'note'>,
): void {
  if (resolved === 'remote' || !hasRemote || asOf === null) return
  note(`answered from the local store, as the remote had it on ${asOf}`)
}
