import { syncWorkspace, type Workspace } from '../../src/artifact/workspace.js'
import { ArtifactError, ERRORS, type ErrorData } from '../../src/errors.js'
import { checkName } from '../../src/model/names.js'
import { parseCollectionName } from '../../src/model/reference-name.js'
import { checkRemoteUrl, parseLimit } from '../../src/store/settings.js'
import { renamePending } from '../../src/sync/rename-pending.js'
import type {
  SyncEvent,
  SyncedItem,
  SyncReport,
  VersionProgress,
} from '../../src/sync/sync-report.js'
import { collectPages } from '../collect-pages.js'
import { type Context, openContext, type Result } from '../context.js'
import { describeConflict } from '../describe-conflict.js'
import { describeSent } from '../describe-progress.js'
import { count, formatBytes } from '../format.js'

export interface SyncCommandOptions {
  retry?: boolean
  rename?: string
  redirect?: string
  drop?: string
  limit?: string
}

export async function sync(
  { retry, rename, redirect, drop, limit }: SyncCommandOptions,
  context: Context,
): Promise<Result> {
  const workspace = openContext(context, {
    change: () => (limit === undefined ? {} : { limit: parseLimit(limit) }),
    hostPlace: 'thread',
  })
  const { settings, store } = workspace
  const renamed = rename === undefined ? undefined : await renameTo(rename, workspace, context)
  const redirected = redirect === undefined ? undefined : await redirectFrom(redirect, workspace)
  const dropped = drop === undefined ? undefined : await dropPart(drop, workspace)
  const { items } = await store.catalog.listPending()
  if (settings.remote === null && items.every(({ remote }) => remote === null)) {
    if (items.length > 0) {
      throw new ArtifactError('NO_REMOTE', `${count(items.length, 'version')} cannot be synced`)
    }
  }
  const report = await syncWorkspace(workspace, {
    signal: context.signal,
    retryFailed: retry,
    onProgress: progressOf(context),
  })
  if (report.resent > 0) {
    context.note(
      `the remote was wiped or put back to an earlier state: ` +
        `${count(report.resent, 'item')} that it had taken went again`,
    )
  }
  const lines = [
    ...(renamed ? [`renamed ${count(renamed.versions, 'version')} to ${renamed.name}`] : []),
    ...(redirected === undefined
      ? []
      : [`redirected ${count(redirected, 'item')} to ${settings.remote}`]),
    ...(dropped === undefined ? [] : [`dropped ${dropped.slice(0, 8)}`]),
    ...describeSynced(report),
    ...report.failed.map(
      ({ project, name, id, error }) =>
        `failed  ${project}/${name}@${id.slice(0, 8)}: ${error.message}`,
    ),
    ...report.errors.map(error => describeError(error, settings.remote)),
    ...(report.leftOut > 0
      ? [`kept    ${count(report.leftOut, 'use')} of versions that the remote does not have`]
      : []),
    `${countSynced(report)}, ${report.pending} pending, ` +
      `${report.failed.length} failed; ${formatBytes(report.sentBytes)} sent ` +
      `(${formatBytes(report.wireBytes)} on the wire), ` +
      `${formatBytes(report.skippedBytes)} was there already, ${count(report.requests, 'request')}`,
  ]
  const data = {
    ...report,
    ...(renamed && { renamed: renamed.versions }),
    ...(redirected !== undefined && { redirected }),
    ...(dropped && { dropped }),
  }
  return { data, text: lines.join('\n'), exitCode: exitCodeOf(report) }
}

/** `[PROJECT/]OLD=NEW` */
async function renameTo(text: string, { settings, store }: Workspace, { signal }: Context) {
  const at = text.indexOf('=')
  if (at === -1) throw new ArtifactError('USAGE', `--rename takes OLD=NEW, not "${text}"`)
  const from = parseCollectionName(text.slice(0, at), settings)
  const to = checkName(text.slice(at + 1))
  const versions = await renamePending(store, { from, to }, { signal })
  return { versions, name: `${from.project}/${to}` }
}

/** What was logged for another remote goes there, unless it is told otherwise: its address may be wrong. */
async function redirectFrom(address: string, { settings, store }: Workspace): Promise<number> {
  const { remote } = settings
  if (remote === null) throw new ArtifactError('NO_REMOTE', 'there is no remote to redirect it to')
  return store.catalog.redirect({ from: checkRemoteUrl(address), to: remote })
}

function describeError({ message, details }: ErrorData, remote: string | null): string {
  const url = details?.remote
  if (typeof url !== 'string' || url === remote) return `error   ${message}`
  const where = message.includes(url) ? '' : `${url}: `
  return (
    `error   ${where}${message}` +
    `\n        it is not the remote that is set; to send it there: artifact sync --redirect ${url}`
  )
}

/** `[[PROJECT/]NAME]@ID` or `ID`, of which the beginning will do if no other part has it. */
async function dropPart(text: string, { store: { catalog } }: Workspace): Promise<string> {
  const start = text.slice(text.lastIndexOf('@') + 1)
  const items = await collectPages(after => catalog.listPending(after))
  const found = items.filter(
    ({ kind, error, versionId }) => kind === 'upsert' && error && versionId.startsWith(start),
  )
  if (found.length === 1 && start !== '') {
    const { versionId } = found[0]!
    await catalog.dropPart(versionId)
    return versionId
  }
  const what = found.length > 1 ? 'several parts that failed begin' : 'no part that failed begins'
  throw new ArtifactError('VERSION_NOT_FOUND', `${what} with "${start}": see artifact status`, {
    details: { id: start },
  })
}

const NOTES: { [kind in SyncedItem['kind']]?: string } = {
  alias: '  (aliases)',
  edit: '  (edited)',
}

function describeDeletion({ project, name, deleted = 0, conflicts = [] }: SyncedItem): string[] {
  const done = `synced  ${project}/${name}  ${count(deleted, 'version')} deleted`
  return [
    ...(deleted > 0 ? [done] : []),
    ...conflicts.map(one => `conflict ${describeConflict(one)}`),
  ]
}

/** A deletion of many is one change; a version that was deleted before it was sent is none. */
function countSynced({ synced }: SyncReport): string {
  const kinds = synced.filter(({ kind, deleted }) => kind !== 'use' && deleted !== 0)
  const changes = kinds.filter(({ kind }) => kind in NOTES || kind === 'delete').length
  const versions = `${count(kinds.length - changes, 'version')} synced`
  return changes === 0 ? versions : `${versions}, ${count(changes, 'change')}`
}

/** A line for each version and what changed of it, and one for all parts of a name. */
function describeSynced({ synced }: SyncReport): string[] {
  const parts = new Map<string, number>()
  const lines: string[] = []
  let uses = 0
  for (const item of synced) {
    const { project, name, number, kind, unchanged, conflicts } = item
    const collection = `${project}/${name}`
    if (kind === 'use') uses += 1
    else if (kind === 'delete') lines.push(...describeDeletion(item))
    else if (kind === 'upsert') parts.set(collection, (parts.get(collection) ?? 0) + 1)
    else {
      const note = unchanged ? '  (the remote had it)' : describeSent(item)
      lines.push(`synced  ${collection}:v${number}${NOTES[kind] ?? note}`)
      lines.push(...(conflicts ?? []).map(one => `conflict ${describeConflict(one)}`))
    }
  }
  const sums = [...parts].map(([collection, sum]) => `synced  ${collection}  ${count(sum, 'part')}`)
  return [
    ...sums,
    ...new Set(lines),
    ...(uses > 0 ? [`synced  ${count(uses, 'use')} of versions by runs`] : []),
  ]
}

function exitCodeOf({ pending, failed, errors }: SyncReport): number {
  const exits = errors.map(({ code }) => ERRORS[code].exit)
  for (const { exit } of [ERRORS.REMOTE_UNREACHABLE, ERRORS.INVALID_CONFIG]) {
    if (exits.includes(exit as never)) return exit
  }
  return pending > 0 || failed.length > 0 ? ERRORS.SYNC_INCOMPLETE.exit : 0
}

/** Adds up the versions under way. */
function progressOf({ onProgress }: Context): (event: SyncEvent) => void {
  const versions = new Map<string, VersionProgress>()
  let done = 0
  return event => {
    if (event.type === 'synced') done += 1
    if (event.type === 'bytes') versions.set(event.id, event)
    const progress = [...versions.values()]
    onProgress({
      step: 'upload',
      files: done,
      bytes: progress.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
      totalBytes: progress.reduce((sum, { bytesTotal }) => sum + bytesTotal, 0),
    })
  }
}
