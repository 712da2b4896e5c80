import { ArtifactError, isArtifactError } from '../errors.js'
import type { OnConflict } from '../model/commit.js'
import { checkDistributedId } from '../model/names.js'
import {
  NO_NUMBER,
  type Version,
  type VersionContent,
  type VersionState,
} from '../model/version.js'
import { finishVersion } from '../store/finish-version.js'
import { holdsEntries } from '../store/holds-entries.js'
import type { Artifact } from './artifact.js'
import { type LogOptions, type LogOutcome, newId, startLog, type Target } from './log-artifact.js'
import type { LoggedArtifact } from './logged-artifact.js'
import type { StoredArtifact } from './store-content.js'
import type { Workspace } from './workspace.js'

export interface UpsertOptions extends Pick<LogOptions, 'tags'> {
  /** What all writers of one version have in common. Default: the group of the run. */
  distributedId?: string
}

export interface FinishArtifactOptions extends LogOptions, UpsertOptions {
  /**
   * Where two runs have different content at one path: `error` (default) fails with
   * `ENTRY_CONFLICT`, `last` takes what was upserted later.
   */
  onConflict?: OnConflict
}

/**
 * Adds the content of an artifact to the open version of its name, project and distributed id. What
 * is returned is the part: it has no number, and `committed` when it is durable here.
 * @throws as `logArtifact`; `GROUP_REQUIRED`, `INVALID_NAME`. `committed` rejects with
 *   `ARTIFACT_FINALIZED` once the version is finished.
 */
export function upsertArtifact(
  workspace: Workspace,
  artifact: Artifact,
  options: Target & UpsertOptions,
): LoggedArtifact {
  const distributedId = expectDistributedId(options)
  expectPart(artifact)
  return startLog(workspace, artifact, { ...options, ahead: true }, stored => {
    return upsert(workspace, stored, distributedId)
  })
}

/**
 * Adds the content of an artifact, as {@link upsertArtifact}, and makes one version of all that was
 * upserted. From then on upserts are refused.
 *
 * Without a remote the version is final when it is `committed`. With one it is `closing`: usable
 * here by its id, as far as it is here; its number, digest and aliases come when the remote has
 * merged what all machines sent, see `wait`.
 *
 * `committed` rejects with `ENTRY_CONFLICT`, after which the version stays closed to upserts and may
 * be finished again; with `ARTIFACT_FINALIZED` when it was finished before, without this content.
 */
export function finishArtifact(
  workspace: Workspace,
  artifact: Artifact,
  options: Target & FinishArtifactOptions,
): LoggedArtifact {
  const distributedId = expectDistributedId(options)
  expectPart(artifact)
  return startLog(workspace, artifact, options, stored => {
    return finish(workspace, stored, { distributedId, onConflict: options.onConflict ?? 'error' })
  })
}

/** @throws `TypeError` for what is merged onto a version: parts are merged with each other. */
function expectPart({ name, base, incremental }: Artifact): void {
  if (!base && !incremental) return
  const what = base ? 'a draft' : 'incremental'
  throw new TypeError(`"${name}" is ${what} and cannot be a part: log it with logArtifact`)
}

function expectDistributedId({ distributedId, run }: Target & UpsertOptions): string {
  const id = distributedId ?? run?.group
  if (id !== undefined) return checkDistributedId(id)
  throw new ArtifactError(
    'GROUP_REQUIRED',
    'parallel runs need a group, or a distributedId, that says which of them belong together',
  )
}

async function upsert(
  { store, settings }: Workspace,
  { aliases: _, ...stored }: StoredArtifact,
  distributedId: string,
): Promise<LogOutcome> {
  const target = { remote: settings.remote }
  const { id } = await store.catalog.upsert({ logId: newId(), ...stored, distributedId, target })
  const part = await store.catalog.getVersion(id)
  // It was finished right after, by another process.
  return { version: part ?? numberless(stored.version, 'open'), unchanged: false }
}

function numberless(content: VersionContent, state: VersionState): Version {
  return { ...content, number: NO_NUMBER, aliases: [], state }
}

async function finish(
  workspace: Workspace,
  stored: StoredArtifact,
  { distributedId, onConflict }: { distributedId: string; onConflict: OnConflict },
): Promise<LogOutcome> {
  const { store, settings } = workspace
  const refused = await upsert(workspace, stored, distributedId).then(
    () => undefined,
    error => {
      if (isArtifactError(error, 'ARTIFACT_FINALIZED')) return error
      throw error
    },
  )
  const { entity, project, name, pieces } = stored.version
  const logId = newId()
  const answer = await finishVersion(
    store,
    { entity, project, name, distributedId },
    { logId, aliases: stored.aliases, onConflict, target: { remote: settings.remote } },
  )
  const version = await store.catalog.getVersion(answer.id)
  if (version) {
    if (refused && !(await holdsEntries(store, version.pieces, pieces))) throw refused
    return { version, unchanged: false }
  }
  // The remote has merged it meanwhile, and more than what is here.
  if (answer.version) return { version: numberless(answer.version, 'closing'), unchanged: false }
  throw refused ?? new ArtifactError('VERSION_NOT_FOUND', `version @${answer.id} is not here`)
}
