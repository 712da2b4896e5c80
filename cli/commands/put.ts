import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { Artifact } from '../../src/artifact/artifact.js'
import { logArtifact } from '../../src/artifact/log-artifact.js'
import type { LoggedArtifact } from '../../src/artifact/logged-artifact.js'
import { ensureDaemon, type Workspace } from '../../src/artifact/workspace.js'
import { ArtifactError, isArtifactError } from '../../src/errors.js'
import { DEFAULT_TYPE } from '../../src/model/names.js'
import { parseCollectionName } from '../../src/model/reference-name.js'
import type { RunInfo } from '../../src/model/version.js'
import type { Policy } from '../../src/store/file-ingester.js'
import type { Progress } from '../../src/store/progress.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes } from '../format.js'
import { parseMetadata } from '../parse-metadata.js'
import { parseSource, type Source, sourceBaseName } from '../parse-source.js'

/** How often it is begun anew because bytes were removed meanwhile. */
const ATTEMPTS = 3

export interface PutOptions {
  name?: string
  type?: string
  alias?: string[]
  description?: string
  metadata?: string
  policy?: Policy
  ignore?: string[]
  symlinks?: 'follow' | 'refuse'
  checksum?: boolean
  maxObjects?: number
  incremental?: boolean
  remove?: string[]
  group?: string
  upsert?: boolean
  wait?: boolean
}

export async function put(paths: string[], options: PutOptions, context: Context): Promise<Result> {
  checkUsage(paths, options)
  const sources: Source[] = []
  for (const path of paths) sources.push(await parseSource(path, context))
  const defaults = openContext(context)
  const { entity, project, name } = parseCollectionName(
    options.name ?? sourceBaseName(sources[0]!),
    defaults.settings,
  )
  const workspace: Workspace = {
    ...defaults,
    settings: { ...defaults.settings, entity, project },
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await putSources(sources, { name, workspace, options, context })
    } catch (error) {
      // Something that was found in the store was removed before the commit. Now it is added again.
      if (!isArtifactError(error, 'BLOB_MISSING') || attempt === ATTEMPTS) throw error
    }
  }
}

async function putSources(
  sources: Source[],
  {
    name,
    workspace,
    options,
    context,
  }: { name: string; workspace: Workspace; options: PutOptions; context: Context },
): Promise<Result> {
  const { entity, project } = workspace.settings
  const artifact = new Artifact({
    name,
    type: options.type ?? DEFAULT_TYPE,
    description: options.description,
    metadata: options.metadata === undefined ? undefined : parseMetadata(options.metadata),
    incremental: options.incremental ?? false,
    home: workspace.settings.home,
  })
  // What is given to be added may come where something was.
  for (const path of options.remove ?? []) await artifact.remove(path)
  const progress = sumProgress(context)
  for (const source of sources) {
    const { kind, path, target } = source
    const onProgress = progress({ isLast: source === sources.at(-1) })
    const add = { name: target, signal: context.signal, exclusive: true, onProgress }
    const { policy, ignore, symlinks, checksum, maxObjects } = options
    if (kind === 'reference') await artifact.addReference(path, { ...add, checksum, maxObjects })
    else if (kind === 'folder') await artifact.addDir(path, { ...add, policy, ignore, symlinks })
    else await artifact.addFile(path, { ...add, policy })
  }
  if (options.upsert) {
    const { group } = options
    const run: RunInfo = {
      id: randomBytes(4).toString('hex'),
      project,
      jobType: 'cli_put',
      ...(group !== undefined && { group }),
    }
    return putPart(artifact, { workspace, run, options, context })
  }
  // A run of its own would say nothing, and a `put` an hour of what does not change would fill its lineage.
  const logged = logArtifact(workspace, artifact, { project, run: null, aliases: options.alias })
  await logged.committed
  const { unchanged } = logged
  const warnings = unchanged ? listIgnored(options, { version: logged, artifact }) : []
  for (const warning of warnings) context.note(`warning: ${warning}`)
  await ensureDaemon(workspace)
  if (options.wait) await logged.wait({ signal: context.signal })
  const data = {
    entity,
    project,
    name,
    id: logged.id,
    version: logged.version,
    type: logged.type,
    digest: logged.digest,
    size: logged.size,
    fileCount: logged.fileCount,
    aliases: logged.aliases,
    state: logged.state,
    unchanged,
    dedup: artifact.dedup,
    warnings,
  }
  return { data, text: describe(data, workspace) }
}

function checkUsage(
  paths: string[],
  { upsert, alias, incremental, remove, name }: PutOptions,
): void {
  const usage = (message: string) => new ArtifactError('USAGE', message)
  if (upsert && alias) throw usage('parts have no aliases: give them to `artifact finish`')
  if (upsert && incremental) throw usage('choose --upsert or --incremental')
  if (remove && !incremental) throw usage('--remove goes with --incremental')
  if (paths.length === 0 && name === undefined) throw usage('name the artifact: -n NAME')
}

/** Adds to the open version of the group. */
async function putPart(
  artifact: Artifact,
  {
    workspace,
    run,
    options: { wait },
    context,
  }: { workspace: Workspace; run: RunInfo; options: PutOptions; context: Context },
): Promise<Result> {
  const { entity, project } = workspace.settings
  const { upsertArtifact } = await import('../../src/artifact/upsert-artifact.js')
  const part = upsertArtifact(workspace, artifact, { project, run })
  await part.committed
  await ensureDaemon(workspace)
  if (wait) await part.wait({ signal: context.signal })
  const { id, name, type, size, fileCount } = part
  const { group } = run
  const { dedup } = artifact
  const data = { entity, project, name, group, id, version: null, type, size, fileCount, dedup }
  const text =
    `${project}/${name}: ${count(fileCount, 'file')}, ${formatBytes(size)} added for the group ` +
    `"${group}"\n  a version when all are in: artifact finish ${project}/${name} --group ${group}`
  return { data, text }
}

/** Adds up the progress of several adds, of which only the last knows what all come to. */
function sumProgress({ onProgress }: Context) {
  let files = 0
  let bytes = 0
  return ({ isLast }: { isLast: boolean }) => {
    const before = { files, bytes }
    return ({ totalFiles, totalBytes, ...done }: Progress) => {
      files = before.files + done.files
      bytes = before.bytes + done.bytes
      const totals = isLast &&
        totalFiles !== undefined &&
        totalBytes !== undefined && {
          totalFiles: before.files + totalFiles,
          totalBytes: before.bytes + totalBytes,
        }
      onProgress({ step: 'add', files, bytes, ...totals })
    }
  }
}

/** What was given and not applied, because no version was made. */
function listIgnored(
  options: PutOptions,
  { version, artifact }: { version: LoggedArtifact; artifact: Artifact },
): string[] {
  const ignored = [
    ...(options.description !== undefined && version.description !== artifact.description
      ? ['description']
      : []),
    ...(options.metadata !== undefined && !isDeepStrictEqual(version.metadata, artifact.metadata)
      ? ['metadata']
      : []),
  ]
  return ignored.map(
    what => `the content is that of ${version.version}; the ${what} given was not applied`,
  )
}

function describe(
  data: {
    project: string
    name: string
    version: string
    size: number
    fileCount: number
    aliases: string[]
    state: string
    unchanged: boolean
    dedup: { bytes: number; newBytes: number }
  },
  { settings }: Workspace,
): string {
  const name = `${data.project}/${data.name}:${data.version}`
  const aliases = data.aliases.length > 0 ? ` (${data.aliases.join(', ')})` : ''
  const head = data.unchanged
    ? `${name}${aliases} has this content already; no new version`
    : `${name}${aliases}  ${count(data.fileCount, 'file')}, ${formatBytes(data.size)}; ` +
      `${formatBytes(data.dedup.newBytes)} new, ${formatBytes(data.dedup.bytes)} already stored`
  return `${head}\n${describeNext(data.state, settings)}`
}

export function describeNext(state: string, settings: Workspace['settings']): string {
  if (state === 'synced') return `It is on ${settings.remote}.`
  const safe = `It is safe in ${settings.home}`
  if (settings.remote === null) {
    return `${safe}. To sync it, name a server: artifact init --remote URL`
  }
  if (settings.mode === 'offline')
    return `${safe}. Offline: artifact sync sends it to ${settings.remote}`
  if (settings.daemon === 'never') return `${safe}. artifact sync sends it to ${settings.remote}`
  return `${safe}; artifactd sends it to ${settings.remote} in the background.`
}
