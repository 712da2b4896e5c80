import type { FoundVersion } from '../catalog/catalog.js'
import { deletedError } from '../catalog/plan-delete.js'
import { isReadOnly } from '../disk/check-writable.js'
import { ArtifactError, isArtifactError } from '../errors.js'
import type { ArtifactName, Selector } from '../model/reference-name.js'
import type { Version } from '../model/version.js'
import type { Remote, RemoteVersion } from '../remote/remote.js'
import { checkAborted } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { applyPendingEdits, listPendingEdits } from './apply-pending-edits.js'
import { checkRemoteVersion } from './check-remote-version.js'
import { expectSameVersion } from './expect-same-version.js'
import { findNewestLeft } from './find-newest-left.js'
import { noteDeletion } from './learn-deletion.js'

/** How long the remote may take before the local answer is given, in milliseconds. */
const TIMEOUT_MS = 2000

export interface ResolveOptions {
  signal?: AbortSignal
  /** Milliseconds that the remote has for its answer. Default 2,000. */
  timeout?: number
  /**
   * Ask the remote about ids and numbers that are here too: what describes a version may have changed
   * there. Default false.
   */
  fresh?: boolean
  /** Default: the clock of the system. */
  clock?: () => Date
}

export interface ResolvedVersion {
  version: Version
  /** Who said which version the name means. */
  resolved: 'remote' | 'local'
  /** When that was last known to be the remote's answer (ISO 8601); null if it never was. */
  asOf: string | null
  /** What to pull, when the remote answered. */
  remote?: RemoteVersion
  /** The whole version is in the local store. */
  local: boolean
}

/**
 * Finds the version that a name means. Ids and numbers that are here are answered here, and so is
 * an alias that something pending here moved. For everything else the remote is asked, once; what
 * is here is answered when the remote cannot be reached, or never knew the name.
 *
 * @throws `ARTIFACT_NOT_FOUND` or `VERSION_NOT_FOUND` when neither has it; `VERSION_DELETED`, which is
 *   then known here too; `VERSION_RENUMBERED`;
 *   `REMOTE_UNREACHABLE` (or how else the remote failed) when it is not here and the remote does
 *   not answer; `REMOTE_UNAUTHORIZED`; `INTERRUPTED`.
 */
export async function resolveVersion(
  store: Store,
  remote: Remote | null,
  name: ArtifactName,
  options: ResolveOptions = {},
): Promise<ResolvedVersion> {
  const here = await findHere(store, name)
  const found = here instanceof ArtifactError ? undefined : here
  // Of one that was evicted, the remote has the files.
  const isHere = found && !(found.version.evicted && found.version.state === 'synced')
  const isSure = isHere && (await isSettled(store, found, { name, ...options }))
  if (found && (isSure || !remote)) return answerHere(found)
  if (!remote || isTakenAway(here)) throw here
  try {
    return await askRemote(store, remote, name, options)
  } catch (error) {
    checkAborted(options.signal)
    if (!(error instanceof ArtifactError)) throw error
    if (found && error.code === 'VERSION_DELETED') await noteDeletion(store, [found.version])
    if (!isNotFound(error) && !error.retryable) throw error
    if (found && !isForgotten(found, error)) return answerHere(found)
    throw isNotFound(error) ? error : neither(name, error)
  }
}

/** What is here is the answer, whatever the remote has to say. */
async function isSettled(
  { catalog }: Store,
  { version, pendingAlias, settled }: FoundVersion,
  { name, fresh = false }: Pick<ResolveOptions, 'fresh'> & { name: ArtifactName },
): Promise<boolean> {
  if (name.selector.kind === 'alias') return pendingAlias
  if (!fresh || !settled) return true
  // The remote does not know it by this id.
  const [remoteId] = await catalog.listRemoteIds([version.id])
  return remoteId !== null
}

/** The error is one that says that it is not here. */
async function findHere(store: Store, name: ArtifactName): Promise<FoundVersion | ArtifactError> {
  try {
    return await store.catalog.findVersion(name, name.selector)
  } catch (error) {
    if (isNotFound(error)) return error as ArtifactError
    throw error
  }
}

/** An edit here took the alias away, which the remote need not know yet. */
function isTakenAway(here: unknown): boolean {
  return here instanceof ArtifactError && here.details.removed === true
}

/** The remote once knew the alias and knows the artifact, but not the alias any more. */
function isForgotten({ asOf }: FoundVersion, error: ArtifactError): boolean {
  return asOf !== null && isArtifactError(error, 'VERSION_NOT_FOUND')
}

function isNotFound(error: unknown): boolean {
  return isArtifactError(error, 'ARTIFACT_NOT_FOUND') || isArtifactError(error, 'VERSION_NOT_FOUND')
}

function answerHere({ version, asOf }: FoundVersion): ResolvedVersion {
  return { version, resolved: 'local', asOf, local: true }
}

/** @param options.given aliases that the version has as far as this store is concerned. */
async function askRemote(
  store: Store,
  remote: Remote,
  name: ArtifactName,
  options: ResolveOptions & { given?: string[] },
): Promise<ResolvedVersion> {
  const { clock = () => new Date(), given = [] } = options
  const { entity, project, selector } = name
  const collection = { entity, project, name: name.name }
  const answer = await withinTimeout(remote, options, signal => {
    return remote.findVersion(collection, selector, { signal })
  })
  const told = checkRemoteVersion(remote, answer.version)
  const checked = { ...told, aliases: [...new Set([...told.aliases, ...given])] }
  if (checked.project !== project || checked.name !== name.name || !isMeant(checked, selector)) {
    throw new ArtifactError('REMOTE_INVALID', 'the remote answered another version than asked', {
      details: { url: remote.url, asked: name, answered: checked.id },
    })
  }
  const [deleted] = await store.catalog.findDeleted([checked.id])
  if (deleted) {
    if (selector.kind !== 'alias') throw deletedError(deleted)
    // The remote does not know yet that the alias went with the version.
    return askForLeft(store, remote, { ...name, selector }, options)
  }
  const known = await store.catalog.getVersion(checked.id)
  const version: Version = {
    ...checked,
    entity,
    state: known?.state ?? 'synced',
    ...(known?.evicted && { evicted: known.evicted }),
  }
  const asOf = clock().toISOString()
  const { storeId } = answer
  const found = { storeId, version }
  const local = known !== null && !known.evicted
  const answered = { resolved: 'remote' as const, asOf, remote: found, local }
  if (!known) {
    const edited = applyPendingEdits(version, await listPendingEdits(store))
    return { version: edited, ...answered }
  }
  if (known.state !== 'synced') return { version, ...answered }
  expectSameVersion(remote, known, version)
  if (isReadOnly(store.home)) return { version, ...answered }
  // What moved there, and how fresh the answer is, is known offline from now on.
  const { state: _, evicted: __, ...content } = version
  const bytes = { manifestOnly: true as const, packs: [], objects: [] }
  await store.catalog.import({ version: content, ...bytes, storeId, asOf })
  // With what was changed here and is not known there yet.
  return { version: (await store.catalog.getVersion(version.id)) ?? version, ...answered }
}

/** What an alias names whose version was deleted here: nothing, but for `latest`. */
async function askForLeft(
  store: Store,
  remote: Remote,
  name: ArtifactName & { selector: { kind: 'alias' } },
  options: ResolveOptions,
): Promise<ResolvedVersion> {
  const { entity, project, selector } = name
  const { alias } = selector
  const collection = { entity, project, name: name.name }
  const left =
    alias === 'latest' &&
    (await withinTimeout(remote, options, signal => {
      return findNewestLeft(store, remote, { ...collection, signal })
    }))
  if (left) {
    const byId = { kind: 'id' as const, id: left }
    return askRemote(store, remote, { ...name, selector: byId }, { ...options, given: [alias] })
  }
  const message = `"${project}/${name.name}" has no version ${alias}`
  const details = { ...collection, selector: alias }
  throw new ArtifactError('VERSION_NOT_FOUND', message, { details })
}

/** @throws `REMOTE_UNREACHABLE` when the remote takes too long. */
async function withinTimeout<T>(
  remote: Remote,
  { signal, timeout = TIMEOUT_MS }: ResolveOptions,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), timeout)
  try {
    return await ask(signal ? AbortSignal.any([signal, limit.signal]) : limit.signal)
  } catch (error) {
    if (!limit.signal.aborted || signal?.aborted) throw error
    throw new ArtifactError(
      'REMOTE_UNREACHABLE',
      `${remote.url} did not answer within ${timeout / 1000} s`,
      { cause: error, details: { url: remote.url, timeout } },
    )
  } finally {
    clearTimeout(timer)
  }
}

function isMeant({ id, number, aliases }: Omit<Version, 'state'>, selector: Selector): boolean {
  if (selector.kind === 'id') return id.startsWith(selector.id)
  if (selector.kind === 'number') return number === selector.number
  return aliases.includes(selector.alias)
}

/** It is not here, and whether the remote has it cannot be known. */
function neither({ project, name }: ArtifactName, error: ArtifactError): ArtifactError {
  const message = `"${project}/${name}" is not here, and the remote cannot tell: ${error.message}`
  return new ArtifactError(error.code, message, { cause: error, details: error.details })
}
