import { isDeepStrictEqual } from 'node:util'
import { ArtifactError } from '../errors.js'
import { NO_NUMBER } from '../model/version.js'
import type { Conflict, Replacement, VersionChange } from '../model/version-change.js'
import type { AliasRow, VersionRow } from './apply-record.js'
import type { LogAnswer } from './catalog.js'
import type { EditRequest } from './changing.js'
import { keys } from './keys.js'
import { expectNotDeleted, type Plan } from './plan-commit.js'
import type { Transaction } from './transaction.js'

/** See `Catalog.edit`. */
export async function planEdit(txn: Transaction, at: string, request: EditRequest): Promise<Plan> {
  const { logId, versionId, change, target } = request
  const given = await txn.get<LogAnswer>(keys.answer(logId))
  if (given) return { answer: given }
  const row = await txn.get<VersionRow>(keys.version(versionId))
  if (!row) await expectNotDeleted(txn, versionId)
  if (row) checkEditable(row)
  // With a target it may be a version of the remote, of which nothing is here.
  else if (!target) throw unknownVersion(versionId)
  const conflicts = row ? await listConflicts(txn, row, change) : []
  return {
    record: {
      t: 'edit',
      at,
      ...request,
      ...(conflicts.length > 0 && { conflicts }),
    },
    answer: answerEdit(versionId, row?.number ?? NO_NUMBER, conflicts),
  }
}

/** What an edit is answered, now and whenever it is sent again. */
export function answerEdit(id: string, number: number, conflicts: Conflict[] = []): LogAnswer {
  return { id, number, unchanged: true, ...(conflicts.length > 0 && { conflicts }) }
}

/** @throws `ARTIFACT_NOT_LOGGED` for a part of an open version, and for one that is not merged. */
export function checkEditable({
  id,
  project,
  name,
  number,
}: Pick<VersionRow, 'id' | 'project' | 'name' | 'number'>): void {
  if (number !== NO_NUMBER) return
  throw new ArtifactError(
    'ARTIFACT_NOT_LOGGED',
    `"${project}/${name}@${id.slice(0, 8)}" is no version before its parts are merged`,
    { details: { id } },
  )
}

export function unknownVersion(id: string): ArtifactError {
  return new ArtifactError('VERSION_NOT_FOUND', `there is no version @${id}`, { details: { id } })
}

async function listConflicts(
  txn: Transaction,
  row: VersionRow,
  { description, metadata, aliases }: VersionChange,
): Promise<Conflict[]> {
  const conflicts: Conflict[] = []
  const versionId = row.id
  if (description && isSurprise(row.description, description)) {
    conflicts.push({ versionId, field: 'description', found: row.description })
  }
  if (metadata && isSurprise(row.metadata, metadata)) {
    conflicts.push({ versionId, field: 'metadata', found: row.metadata })
  }
  const moves = [
    ...(aliases?.add ?? []),
    ...(aliases?.remove ?? []).map(alias => ({ alias, seen: versionId })),
  ]
  for (const { alias, seen } of moves) {
    const current = await txn.get<AliasRow>(keys.alias(row, alias))
    const id = current && !current.removed ? current.id : null
    const isRemoval = seen === versionId
    if (id === seen || id === versionId || (isRemoval && id === null)) continue
    const holder = id === null ? undefined : await txn.get<VersionRow>(keys.version(id))
    const found = holder ? `v${holder.number}` : null
    conflicts.push({ versionId, field: 'alias', alias, found })
  }
  return conflicts
}

/** Somebody else has changed it since it was seen, and to something else. */
function isSurprise<T>(found: T, { seen, to }: Replacement<T>): boolean {
  return !isDeepStrictEqual(found, seen) && !isDeepStrictEqual(found, to)
}
