import { randomBytes } from 'node:crypto'
import pLimit, { type LimitFunction } from 'p-limit'
import { ArtifactError, isArtifactError } from '../errors.js'
import { normalizeMetadata } from '../model/metadata.js'
import { checkTags, checkUserAliases } from '../model/names.js'
import type { RunInfo, Version } from '../model/version.js'
import { noteUse } from '../store/note-use.js'
import type { Store } from '../store/store.js'
import type { Artifact } from './artifact.js'
import { LoggedArtifact } from './logged-artifact.js'
import { contentStorer, type StoredArtifact } from './store-content.js'
import type { Workspace } from './workspace.js'

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
 *   was built in another store or is a draft of another project.
 */
export function logArtifact(
  workspace: Workspace,
  artifact: Artifact,
  options: Target & LogOptions,
): LoggedArtifact {
  const { store, settings } = workspace
  const request = { logId: newId(), target: { remote: settings.remote } }
  return startLog(workspace, artifact, options, async (stored, storeAgain) => {
    let moved: unknown
    for (let content = stored; ; content = await storeAgain()) {
      try {
        const answer = await store.catalog.log({ ...request, ...content })
        if (answer.unchanged) await noteUse(store, answer.id)
        return { version: await expectVersion(store, answer.id), unchanged: answer.unchanged }
      } catch (error) {
        // Another writer was faster: what it logged is what this one is merged onto.
        if (!isArtifactError(error, 'LATEST_MOVED') || error.details.latest === moved) throw error
        moved = error.details.latest
      }
    }
  })
}

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
  commit: (
    stored: StoredArtifact,
    storeAgain: () => Promise<StoredArtifact>,
  ) => Promise<LogOutcome>,
): LoggedArtifact {
  if (artifact.home !== workspace.settings.home) {
    throw new TypeError(`"${artifact.name}" was built in ${artifact.home}, another store`)
  }
  const base = artifact.base?.version
  if (base && base.project !== project) {
    throw new TypeError(`"${artifact.name}" is a draft of ${base.project}/${base.name}`)
  }
  const draft = {
    id: newId(),
    entity: base?.entity ?? workspace.settings.entity,
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
  const release = artifact.finalize()
  const queue = `${artifact.home}\0${draft.entity}\0${project}\0${draft.name}`
  const limit = queues.get(queue) ?? pLimit(1)
  queues.set(queue, limit)
  const storeContent = contentStorer(workspace, artifact, draft)
  const store = async () => ({ ...(await storeContent()), aliases: wanted })
  const early = ahead ? storing(store) : undefined
  // Its turn may be long in coming: until then a failure must not count as unhandled.
  early?.catch(() => {})
  const turn = limit(async () => {
    const committed = commit(await (early ?? store()), store)
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
  outcome.then(release, release)
  return new LoggedArtifact(workspace, draft, outcome)
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
