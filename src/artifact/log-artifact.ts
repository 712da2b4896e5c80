import { randomBytes } from 'node:crypto'
import pLimit, { type LimitFunction } from 'p-limit'
import type { ExternalFile, LogRequest } from '../catalog/catalog.js'
import { encodeExternal } from '../catalog/index-external.js'
import { ArtifactError } from '../errors.js'
import type { Piece } from '../model/entry.js'
import { normalizeMetadata } from '../model/metadata.js'
import { checkTags, checkUserAliases } from '../model/names.js'
import type { Manifest, RunInfo, Version, VersionContent } from '../model/version.js'
import type { Ingest } from '../store/ingest.js'
import { writeManifest } from '../store/manifest.js'
import type { Store } from '../store/store.js'
import type { Artifact } from './artifact.js'
import { finishTogether } from './finish-together.js'
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

export interface Target {
  project: string
  run: RunInfo | null
}

/** Artifacts whose content is written ahead of their turn: as many share a flush at most. */
const AHEAD = 16
const storing = pLimit(AHEAD)

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
  options: Target & LogOptions,
): LoggedArtifact {
  return startLog(workspace, artifact, options, async ({ aliases, ...stored }) => {
    const { store, settings } = workspace
    const answer = await store.catalog.log({
      logId: newId(),
      ...stored,
      aliases,
      target: { remote: settings.remote },
    })
    return { version: await expectVersion(store, answer.id), unchanged: answer.unchanged }
  })
}

/** The content of an artifact, written into the store, and how it is to be logged. */
export type StoredArtifact = Pick<
  LogRequest,
  'version' | 'aliases' | 'packs' | 'objects' | 'external' | 'epoch'
>

/**
 * Closes an artifact at once, and in the background writes its content and commits it, after what
 * was started before for the same collection. With `ahead` its content is written before its turn,
 * and its turn ends when its commit was asked for, so that many small ones share their flushes. Arguments and errors as in {@link logArtifact}.
 */
export function startLog(
  workspace: Workspace,
  artifact: Artifact,
  {
    project,
    run,
    aliases = [],
    tags = [],
    ahead = false,
  }: Target & LogOptions & { ahead?: boolean },
  commit: (stored: StoredArtifact) => Promise<LogOutcome>,
): LoggedArtifact {
  if (artifact.home !== workspace.settings.home) {
    throw new TypeError(`"${artifact.name}" was built in ${artifact.home}, another store`)
  }
  const draft = {
    id: newId(),
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
  const store = () => storeContent(workspace, artifact, draft)
  const early = ahead ? storing(store) : undefined
  // Its turn may be long in coming: until then a failure must not count as unhandled.
  early?.catch(() => {})
  const turn = limit(async () => {
    const committed = commit({ ...(await (early ?? store())), aliases: wanted })
    // The next may ask the catalog, which keeps the order of the calls, before this is answered.
    if (ahead) committed.catch(() => {})
    else await committed
    return { committed }
  })
  const outcome = turn.then(({ committed }) => committed)
  const done = () => {
    if (limit.activeCount + limit.pendingCount === 0) queues.delete(queue)
  }
  turn.then(done, done)
  return new LoggedArtifact(workspace, draft, outcome)
}

async function storeContent(
  { store }: Workspace,
  artifact: Artifact,
  draft: Omit<VersionContent, keyof Manifest>,
): Promise<Omit<StoredArtifact, 'aliases'>> {
  const { ingest, entries, external, epoch } = await artifact.content()
  const manifest = await writeManifest(ingest, store.algorithm, entries)
  const externalPieces = await writeExternal(ingest, external)
  const { packs, objects } = await finishTogether(ingest)
  return {
    version: { ...draft, ...manifest },
    packs,
    objects,
    epoch,
    ...(externalPieces.length > 0 && { external: externalPieces }),
  }
}

/** 32 hex digits, random: of a version, or of a log. */
export function newId(): string {
  return randomBytes(16).toString('hex')
}

/** The version that the catalog answered with. */
async function expectVersion({ catalog }: Store, id: string): Promise<Version> {
  const version = await catalog.getVersion(id)
  if (version) return version
  throw new ArtifactError('STORE_FAILED', `version @${id} is not in the catalog`)
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
