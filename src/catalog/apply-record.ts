import { randomBytes } from 'node:crypto'
import type { ErrorData } from '../errors.js'
import type { Piece } from '../model/entry.js'
import {
  type CollectionName,
  type Eviction,
  NO_NUMBER,
  type VersionContent,
  type VersionState,
} from '../model/version.js'
import { applyDelete, applySkip, settleDeleted, settleDeletion } from './apply-delete.js'
import {
  applyEdit,
  dropAliasConflicts,
  type EditedFields,
  keepEdited,
  settleEdit,
} from './apply-edit.js'
import { applyRename } from './apply-rename.js'
import { applyUnsettled, putSent } from './apply-unsettled.js'
import { applyClose, applyFinish, applyUpsert, settleOpen } from './apply-upsert.js'
import { applyUse } from './apply-use.js'
import type { LogAnswer, PendingItem } from './catalog.js'
import { applyDropped } from './drop-part.js'
import { applyEra, endEra, putMark } from './history.js'
import { keyRange, keys } from './keys.js'
import { markComplete } from './mark-complete.js'
import { leaveNumber, type Numbered, placeNumber } from './place-number.js'
import { putEdge } from './put-edge.js'
import { putPending } from './put-pending.js'
import type { JournalRecord } from './records.js'
import { applyRedirect } from './redirect.js'
import { listRemovable } from './remove-places.js'
import type { Transaction } from './transaction.js'

export interface CollectionRow {
  type: string
  /** The number that the next version gets. */
  next: number
}

export interface VersionRow extends Omit<VersionContent, 'pieces'> {
  number: number
  state: VersionState
  settled: boolean
  external?: Piece[]
  evicted?: Eviction
  error?: ErrorData
  /** The remote's id of the same content, when it had it under another. */
  remoteId?: string
  /** Fields of which the remote has not the last word yet. */
  edited?: EditedFields
}

/** The version that a number means, and the one it meant here before the remote gave it away. */
export interface NumberRow {
  id?: string
  was?: string
}

export interface AliasRow {
  id: string
  /** When the remote was last known to agree; null if it never did. */
  asOf: string | null
  /** The pending item that moved it. */
  pending?: number
  /** It is to be taken from the version, which the remote does not know yet. */
  removed?: true
}

/**
 * Applies one journal record to the index. The same code serves a commit, the replay of a tail and
 * a rebuild, so that the index is a function of the journal and of what lies in `home`.
 */
export async function applyRecord(
  txn: Transaction,
  seq: number,
  record: JournalRecord,
  home: string,
): Promise<void> {
  switch (record.t) {
    case 'version':
      return applyVersion(txn, seq, record)
    case 'alias':
      return applyAlias(txn, seq, record)
    case 'import':
      return applyImport(txn, record)
    case 'settled':
      return applySettled(txn, record)
    case 'removed':
      return applyRemoved(txn, record, home)
    case 'collected':
      return applyCollected(txn, record)
    case 'evicted':
      return applyEvicted(txn, record)
    case 'lost':
      return endEra(txn, seq)
    case 'era':
      return applyEra(txn, seq, record)
    case 'dropped':
      return applyDropped(txn, record)
    case 'rename':
      return applyRename(txn, record)
    case 'redirect':
      return applyRedirect(txn, record)
    case 'unsettled':
      return applyUnsettled(txn, record)
    case 'delete':
      return applyDelete(txn, seq, record)
    case 'skip':
      return applySkip(txn, record)
    case 'upsert':
      return applyUpsert(txn, seq, record)
    case 'use':
      return applyUse(txn, seq, record)
    case 'close':
      return applyClose(txn, record)
    case 'finish':
      return applyFinish(txn, seq, record, applyVersion)
    case 'edit':
      return applyEdit(txn, seq, record)
  }
}

export function newEpoch(): string {
  return randomBytes(8).toString('hex')
}

/** The new epoch ends what pieces vouched for: which of them list a blob is not known here. */
async function applyRemoved(
  txn: Transaction,
  { places }: JournalRecord & { t: 'removed' },
  home: string,
): Promise<void> {
  for (const { key } of await listRemovable(txn, home, places)) txn.removeLocation(key)
  txn.put(keys.epoch, newEpoch())
}

/** What lay in the files is taken out of the index by whoever removes them, or reads this later. */
function applyCollected(txn: Transaction, { packs }: JournalRecord & { t: 'collected' }): void {
  for (const packId of packs) txn.del(keys.pack(packId))
  txn.put(keys.epoch, newEpoch())
}

async function applyEvicted(
  txn: Transaction,
  { ids }: JournalRecord & { t: 'evicted' },
): Promise<void> {
  for (const id of ids) {
    const row = await txn.get<VersionRow>(keys.version(id))
    if (row) txn.put(keys.version(id), { ...row, evicted: true } satisfies VersionRow)
  }
}

async function applyVersion(
  txn: Transaction,
  seq: number,
  record: JournalRecord & { t: 'version' },
): Promise<void> {
  const { version, number, target } = record
  const { pieces, ...content } = version
  const row: VersionRow = {
    ...content,
    number,
    state: target ? 'pending' : 'synced',
    settled: target === undefined,
    ...(record.external && { external: record.external }),
    ...(record.evicted && { evicted: record.evicted }),
  }
  txn.put(keys.version(version.id), row)
  txn.put(keys.pieces(version.id), pieces)
  txn.put(keys.number(version, number), { id: version.id } satisfies NumberRow)
  txn.put(keys.collection(version), {
    type: version.type,
    next: number + 1,
  } satisfies CollectionRow)
  txn.put(keys.answer(record.logId), {
    id: version.id,
    number,
    unchanged: false,
  } satisfies LogAnswer)
  const pending = target && seq
  for (const alias of [...record.aliases, 'latest']) {
    txn.put(keys.alias(version, alias), { id: version.id, asOf: null, pending } satisfies AliasRow)
  }
  dropAliasConflicts(txn, version, record.aliases)
  if (record.complete) await markComplete(txn, pieces)
  if (version.run) putEdge(txn, { role: 'output', run: version.run, version })
  if (target) putPending(txn, seq, 'version', version, record)
}

async function applyAlias(
  txn: Transaction,
  seq: number,
  record: JournalRecord & { t: 'alias' },
): Promise<void> {
  const version = await txn.get<VersionRow>(keys.version(record.versionId))
  if (!version) return
  const answer: LogAnswer = { id: version.id, number: version.number, unchanged: true }
  txn.put(keys.answer(record.logId), answer)
  if (record.whole) {
    const { evicted: _, ...whole } = version
    txn.put(keys.version(version.id), whole satisfies VersionRow)
  }
  for (const alias of record.aliases) {
    const pending = record.target && seq
    txn.put(keys.alias(version, alias), { id: version.id, asOf: null, pending } satisfies AliasRow)
  }
  dropAliasConflicts(txn, version, record.aliases)
  const { run } = record
  if (run) putEdge(txn, { role: 'output', run, version })
  if (record.target && (record.aliases.length > 0 || run)) {
    putPending(txn, seq, 'alias', version, record)
  }
}

async function applyImport(txn: Transaction, record: JournalRecord & { t: 'import' }) {
  const { pieces, aliases, ...content } = record.version
  const known = await txn.get<VersionRow>(keys.version(content.id))
  const row: VersionRow = {
    ...known,
    ...content,
    ...keepEdited(known),
    state: 'synced',
    settled: true,
  }
  delete row.error
  if (!record.manifestOnly) delete row.evicted
  else if (!known) row.evicted = true
  const renumbered = known && known.number !== NO_NUMBER && known.number !== row.number
  if (renumbered) await leaveNumber(txn, known)
  txn.put(keys.version(row.id), row)
  txn.put(keys.pieces(row.id), pieces)
  if (row.run) putEdge(txn, { role: 'output', run: row.run, version: row })
  await placeNumber(txn, row)
  const collection = await txn.get<CollectionRow>(keys.collection(row))
  txn.put(keys.collection(row), {
    type: row.type,
    next: Math.max(collection?.next ?? 0, row.number + 1),
  } satisfies CollectionRow)
  for (const alias of aliases) {
    const current = await txn.get<AliasRow>(keys.alias(row, alias))
    if (current?.pending === undefined) {
      txn.put(keys.alias(row, alias), { id: row.id, asOf: record.asOf } satisfies AliasRow)
    }
  }
  for (const key of await listDropped(txn, record.version)) txn.del(key)
}

/**
 * The aliases that a version has here and no more there. Not `latest`: until the next is here, it is
 * the latest that is.
 */
export async function listDropped(
  txn: Transaction,
  { id, aliases, ...name }: CollectionName & { id: string; aliases: string[] },
): Promise<string[]> {
  const { entity, project } = name
  const rows = await txn.list<AliasRow>(keyRange('alias', entity, project, name.name))
  const kept = new Set([...aliases, 'latest'].map(alias => keys.alias(name, alias)))
  const dropped = [...rows].filter(
    ([key, row]) => row.id === id && row.pending === undefined && !kept.has(key),
  )
  return dropped.map(([key]) => key)
}

/** First every version leaves its provisional number, so that none stands in another's way. */
async function applySettled(
  txn: Transaction,
  record: JournalRecord & { t: 'settled' },
): Promise<void> {
  const { at, storeId, items } = record
  putMark(txn, record)
  const settled: Numbered[] = []
  for (const { seq, number, remoteId, conflicts } of items) {
    const pending = await takePending(txn, at, seq)
    if (pending) putSent(txn, storeId, pending)
    const row = pending && (await txn.get<VersionRow>(keys.version(pending.versionId)))
    if (pending?.distributedId !== undefined) await settleOpen(txn, pending, number)
    if (pending?.kind === 'edit') await settleEdit(txn, at, { item: pending, conflicts })
    if (pending?.kind === 'delete') await settleDeletion(txn, at, { item: pending, conflicts })
    if (pending?.kind !== 'version') continue
    if (!row) {
      settled.push(...(await settleDeleted(txn, pending.versionId, number)))
      continue
    }
    if (row.number !== number) await leaveNumber(txn, row)
    const { error: _, ...rest } = row
    const known = remoteId && remoteId !== row.id && { remoteId }
    const after: VersionRow = { ...rest, number, state: 'synced', settled: true, ...known }
    txn.put(keys.version(row.id), after)
    settled.push(after)
  }
  for (const row of settled) await placeNumber(txn, row)
}

/** Removes a pending item; the aliases that it moved are the remote's from now on. */
async function takePending(
  txn: Transaction,
  at: string,
  seq: number,
): Promise<PendingItem | undefined> {
  const pending = await txn.get<PendingItem>(keys.pending(seq))
  if (!pending) return undefined
  txn.del(keys.pending(seq))
  for (const name of [...pending.aliases, 'latest']) {
    const key = keys.alias(pending, name)
    const alias = await txn.get<AliasRow>(key)
    if (alias?.pending !== seq) continue
    if (alias.removed) txn.del(key)
    else txn.put(key, { id: alias.id, asOf: at } satisfies AliasRow)
  }
  return pending
}
