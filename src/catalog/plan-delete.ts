import { ArtifactError } from '../errors.js'
import { formatVersionName } from '../model/reference-name.js'
import type { CollectionName } from '../model/version.js'
import type { Conflict } from '../model/version-change.js'
import type { AliasRow, VersionRow } from './apply-record.js'
import type { LogAnswer } from './catalog.js'
import {
  type DeletedVersion,
  type DeleteRequest,
  MAX_DELETIONS,
  type SkipRequest,
} from './changing.js'
import { keyRange, keys } from './keys.js'
import { checkType, type Plan } from './plan-commit.js'
import { checkEditable } from './plan-edit.js'
import type { Transaction } from './transaction.js'

/** See `Changing.delete`. */
export async function planDelete(
  txn: Transaction,
  at: string,
  request: DeleteRequest,
): Promise<Plan> {
  const { logId, target, deleteAliases } = request
  if (request.versions.length > MAX_DELETIONS) {
    throw new TypeError(`at most ${MAX_DELETIONS} versions a call`)
  }
  const given = await txn.get<LogAnswer>(keys.answer(logId))
  if (given) return { answer: given }
  const aliases = deleteAliases ? new Map() : await listHolders(txn, request)
  const versions: DeleteRequest['versions'] = []
  const conflicts: Conflict[] = []
  for (const version of new Map(request.versions.map(one => [one.id, one])).values()) {
    const { id } = version
    const row = await txn.get<VersionRow>(keys.version(id))
    if (row) checkIn(row, request)
    if (row) checkEditable(row)
    // With a target it may be a version of the remote, of which nothing is here.
    else if (!target || (await txn.get(keys.deleted(id)))) continue
    const holders = aliases.get(id)
    const error = holders && heldBy(request, { ...version, ...row }, holders)
    if (error && target) throw error
    if (error) conflicts.push({ versionId: id, field: 'version', error: error.toJSON() })
    else versions.push({ id, number: row?.number ?? version.number })
  }
  const answer = answerDelete(request.versions[0]?.id ?? '', conflicts)
  if (versions.length + conflicts.length === 0) return { answer }
  const record = { ...request, versions, ...(conflicts.length > 0 && { conflicts }) }
  return { record: { t: 'delete', at, ...record }, answer }
}

/** What a deletion is answered, now and whenever it is sent again. */
export function answerDelete(id: string, conflicts: Conflict[] = []): LogAnswer {
  return { id, number: 0, unchanged: true, ...(conflicts.length > 0 && { conflicts }) }
}

/** See `Changing.skip`. */
export async function planSkip(txn: Transaction, at: string, request: SkipRequest): Promise<Plan> {
  const { logId, versionId } = request
  const given = await txn.get<LogAnswer>(keys.answer(logId))
  if (given) return { answer: given }
  const known =
    (await txn.get<VersionRow>(keys.version(versionId))) ??
    (await txn.get<DeletedVersion>(keys.deleted(versionId)))
  if (known) return { answer: { id: versionId, number: known.number, unchanged: false } }
  const number = (await checkType(txn, request))?.next ?? 0
  return {
    record: { t: 'skip', at, ...request, number },
    answer: { id: versionId, number, unchanged: false },
  }
}

/** For an answer to whoever asks for a version that was deleted. */
export function deletedError({
  id,
  entity,
  project,
  name,
  type,
  number,
}: DeletedVersion): ArtifactError {
  const label = formatVersionName({ id, project, name, number })
  return new ArtifactError('VERSION_DELETED', `"${label}" was deleted`, {
    details: { id, entity, project, name, type, number },
  })
}

/** Aliases other than `latest`, by the version that they name. */
async function listHolders(txn: Transaction, { entity, project, name }: CollectionName) {
  const range = keyRange('alias', entity, project, name)
  const byVersion = new Map<string, string[]>()
  for (const [key, { id, removed }] of await txn.list<AliasRow>(range)) {
    const alias = key.slice(range.gte.length)
    if (removed || alias === 'latest') continue
    byVersion.set(id, [...(byVersion.get(id) ?? []), alias])
  }
  return byVersion
}

function heldBy(
  { project, name }: CollectionName,
  { id, number }: { id: string; number: number },
  aliases: string[],
): ArtifactError {
  const message = `"${project}/${name}:v${number}" has the aliases ${aliases.join(', ')}`
  return new ArtifactError('VERSION_HAS_ALIASES', message, { details: { id, number, aliases } })
}

function checkIn({ id, ...row }: VersionRow, { entity, project, name }: CollectionName): void {
  if (row.entity === entity && row.project === project && row.name === name) return
  throw new ArtifactError('VERSION_NOT_FOUND', `"${project}/${name}" has no version @${id}`, {
    details: { id },
  })
}
