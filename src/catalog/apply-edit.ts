import { type CollectionName, NO_NUMBER } from '../model/version.js'
import type { Conflict } from '../model/version-change.js'
import type { AliasRow, VersionRow } from './apply-record.js'
import type { PendingItem } from './catalog.js'
import type { KeptConflict } from './changing.js'
import { keys } from './keys.js'
import { answerEdit } from './plan-edit.js'
import { putPending } from './put-pending.js'
import type { JournalRecord } from './records.js'
import type { Transaction } from './transaction.js'

/** Fields of a version that edits change; aliases are rows of their own. */
const FIELDS = ['description', 'metadata', 'tags'] as const

type EditRecord = JournalRecord & { t: 'edit' }

/** By field, the number of the pending record that changed it last. */
export type EditedFields = Partial<Record<(typeof FIELDS)[number], number>>

export async function applyEdit(txn: Transaction, seq: number, record: EditRecord): Promise<void> {
  const { versionId, change, target, at, conflicts } = record
  const row = await txn.get<VersionRow>(keys.version(versionId))
  txn.put(keys.answer(record.logId), answerEdit(versionId, row?.number ?? NO_NUMBER, conflicts))
  if (row) txn.put(keys.version(versionId), changeRow(row, record, target && seq))
  const { add = [], remove = [] } = change.aliases ?? {}
  for (const { alias } of add) {
    const moved = { id: versionId, asOf: null, ...(target && { pending: seq }) }
    txn.put(keys.alias(record, alias), moved satisfies AliasRow)
  }
  for (const alias of remove) {
    const key = keys.alias(record, alias)
    const current = await txn.get<AliasRow>(key)
    if (current && current.id !== versionId) continue
    // What the remote says of it until it knows does not bring it back.
    const gone = { id: versionId, asOf: null, pending: seq, removed: true as const }
    if (target) txn.put(key, gone satisfies AliasRow)
    else txn.del(key)
  }
  for (const key of listTouched(record)) txn.del(key)
  putConflicts(txn, record, conflicts, at)
  if (!target) return
  const aliases = [...add.map(({ alias }) => alias), ...remove]
  const version = { ...record, id: versionId }
  putPending(txn, seq, 'edit', version, { logId: record.logId, aliases, target, change })
}

function changeRow(row: VersionRow, { change }: EditRecord, pending?: number): VersionRow {
  const { description, metadata, tags } = change
  return {
    ...(pending === undefined ? row : holdEdited(row, { seq: pending, change })),
    ...(description && { description: description.to }),
    ...(metadata && { metadata: metadata.to }),
    ...(tags && {
      tags: [...new Set([...row.tags.filter(tag => !tags.remove.includes(tag)), ...tags.add])],
    }),
  }
}

/** The row of a version with what a pending edit changed marked as this store's to tell. */
export function holdEdited(
  row: VersionRow,
  { seq, change }: Pick<PendingItem, 'seq' | 'change'>,
): VersionRow {
  const edited: EditedFields = { ...row.edited }
  for (const field of FIELDS) if (change?.[field]) edited[field] = seq
  return Object.keys(edited).length > 0 ? { ...row, edited } : row
}

/** What of a version here goes before what a remote says of it: edits that it does not know yet. */
export function keepEdited(known: VersionRow | undefined): Partial<VersionRow> {
  const kept: Partial<VersionRow> = {}
  if (known?.edited?.description !== undefined) kept.description = known.description
  if (known?.edited?.metadata !== undefined) kept.metadata = known.metadata
  if (known?.edited?.tags !== undefined) kept.tags = known.tags
  return kept
}

/** The remote answered an edit: from here on its word counts for what that changed. */
export async function settleEdit(
  txn: Transaction,
  at: string,
  { item, conflicts }: { item: PendingItem; conflicts?: Conflict[] },
): Promise<void> {
  const { versionId } = item
  const here = conflicts?.map(conflict => ({ ...conflict, versionId }))
  putConflicts(txn, item, here, at)
  const row = await txn.get<VersionRow>(keys.version(item.versionId))
  if (!row?.edited) return
  const { edited, ...rest } = row
  const left = Object.entries(edited).filter(([, seq]) => seq !== item.seq)
  const after = left.length > 0 ? { ...rest, edited: Object.fromEntries(left) } : rest
  txn.put(keys.version(row.id), after satisfies VersionRow)
}

/** Keeps conflicts, one for each thing that was changed. */
export function putConflicts(
  txn: Transaction,
  { entity, project, name }: CollectionName,
  conflicts: Conflict[] | undefined,
  at: string,
): void {
  for (const conflict of conflicts ?? []) {
    const kept: KeptConflict = { entity, project, name, ...conflict, at }
    txn.put(keys.conflict(kept, subjectOf(conflict)), kept)
  }
}

/** Who moves an alias without having looked ends what is known of conflicts about it. */
export function dropAliasConflicts(
  txn: Transaction,
  name: CollectionName,
  aliases: string[],
): void {
  for (const alias of aliases) txn.del(keys.conflict(name, `alias:${alias}`))
}

function subjectOf({ versionId, field, alias }: Conflict): string {
  return field === 'alias' ? `alias:${alias}` : `${versionId}:${field}`
}

/** Conflicts about what is changed again are over. */
function listTouched({ versionId, change, entity, project, name }: EditRecord): string[] {
  const fields = (['description', 'metadata'] as const).filter(field => change[field])
  const aliases = [...(change.aliases?.add ?? []).map(({ alias }) => alias)]
  const touched: Conflict[] = [
    ...fields.map(field => ({ versionId, field })),
    ...[...aliases, ...(change.aliases?.remove ?? [])].map(alias => ({
      ...{ versionId, field: 'alias' as const, alias },
    })),
  ]
  return touched.map(conflict => keys.conflict({ entity, project, name }, subjectOf(conflict)))
}
