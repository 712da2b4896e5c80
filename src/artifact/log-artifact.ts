import { randomBytes } from 'node:crypto'
import pLimit, { type LimitFunction } from 'p-limit'
import type { ExternalFile, LogAnswer } from '../catalog/catalog.js'
import { encodeExternal } from '../catalog/index-external.js'
import { ArtifactError } from '../errors.js'
import type { Piece } from '../model/entry.js'
import { normalizeMetadata } from '../model/metadata.js'
import { checkTags, checkUserAliases } from '../model/names.js'
import type { RunInfo, Version } from '../model/version.js'
import type { Ingest } from '../store/ingest.js'
import { writeManifest } from '../store/manifest.js'
import type { Artifact } from './artifact.js'
import { LoggedArtifact } from './logged-artifact.js'
import type { Workspace } from './workspace.js'

/** External files in one piece: about 200 KiB. */
const EXTERNAL_A_PIECE = 1000

export interface LogOptions {
  /** Besides `latest`, which moves to every new version. */
  aliases?: string[]
  tags?: string[]
}

/** What a log came to. */
export interface LogOutcome {
  version: Version
  /** The content was that of the collection's latest version, which `version` is. */
  unchanged: boolean
}

interface Target {
  project: string
  run: RunInfo | null
}

/** One queue a collection, so that versions are numbered in the order of the calls. */
const queues = new Map<string, LimitFunction>()

/**
 * Logs an artifact: it is closed at once, and committed in the background after the logs of the
 * same collection that were called before.
 * @throws `INVALID_ALIAS`, `INVALID_TAG`, `ARTIFACT_FINALIZED`, and `TypeError` when the artifact
 *   was built in another store.
 */
export function logArtifact(
  workspace: Workspace,
  artifact: Artifact,
  { project, run, aliases = [], tags = [] }: Target & LogOptions,
): LoggedArtifact {
  if (artifact.home !== workspace.settings.home) {
    throw new TypeError(`"${artifact.name}" was built in ${artifact.home}, another store`)
  }
  const draft = {
    id: randomBytes(16).toString('hex'),
    entity: workspace.settings.entity,
    project,
    name: artifact.name,
    type: artifact.type,
    description: artifact.description,
    metadata: normalizeMetadata(artifact.metadata),
    tags: checkTags(tags),
    run,
    createdAt: new Date().toISOString(),
  }
  const wanted = checkUserAliases(aliases)
  artifact.finalize()
  const queue = `${artifact.home}\0${draft.entity}\0${project}\0${draft.name}`
  const limit = queues.get(queue) ?? pLimit(1)
  queues.set(queue, limit)
  const outcome = limit(() => commit(workspace, artifact, draft, wanted))
  const done = () => {
    if (limit.activeCount + limit.pendingCount === 0) queues.delete(queue)
  }
  outcome.then(done, done)
  return new LoggedArtifact(workspace, draft, outcome)
}

async function commit(
  { settings, store }: Workspace,
  artifact: Artifact,
  draft: Pick<
    Version,
    'id' | 'entity' | 'project' | 'name' | 'type' | 'tags' | 'run' | 'createdAt'
  > & { description: string | null; metadata: Record<string, unknown> },
  aliases: string[],
): Promise<LogOutcome> {
  const { ingest, entries, external, epoch } = await artifact.content()
  const manifest = await writeManifest(ingest, store.algorithm, entries)
  const externalPieces = await writeExternal(ingest, external)
  const { packs, objects } = await ingest.finish()
  const answer: LogAnswer = await store.catalog.log({
    logId: randomBytes(16).toString('hex'),
    version: { ...draft, ...manifest },
    aliases,
    target: { remote: settings.remote },
    packs,
    objects,
    epoch,
    ...(externalPieces.length > 0 && { external: externalPieces }),
  })
  const version = await store.catalog.getVersion(answer.id)
  if (!version)
    throw new ArtifactError('STORE_FAILED', `version @${answer.id} is not in the catalog`)
  return { version, unchanged: answer.unchanged }
}

async function writeExternal(ingest: Ingest, files: ExternalFile[]): Promise<Piece[]> {
  const pieces: Piece[] = []
  for (let start = 0; start < files.length; start += EXTERNAL_A_PIECE) {
    const some = files.slice(start, start + EXTERNAL_A_PIECE)
    const bytes = encodeExternal(some)
    const [stored] = await ingest.addBytes('blob', [bytes])
    pieces.push({ digest: stored!.digest, size: bytes.length, count: some.length })
  }
  return pieces
}
