import { type OpenName, openVersionId } from '../model/open-version-id.js'
import { NO_NUMBER, type VersionContent } from '../model/version.js'
import type { CollectionRow, VersionRow } from './apply-record.js'
import type { LogAnswer, LogRequest, PendingItem } from './catalog.js'
import { keyRange, keys } from './keys.js'
import { markComplete } from './mark-complete.js'
import type { OpenVersion, UpsertRequest } from './open-version.js'
import { putEdge } from './put-edge.js'
import { putPending } from './put-pending.js'
import type { JournalRecord } from './records.js'
import type { Transaction } from './transaction.js'

type ApplyVersion = (
  txn: Transaction,
  seq: number,
  record: JournalRecord & { t: 'version' },
) => Promise<void>

/** With a remote, a finish asks for what only the remote can do: merge all machines' parts. */
export function isRequest({ target }: Pick<LogRequest, 'target'>): boolean {
  return typeof target?.remote === 'string'
}

export async function applyUpsert(
  txn: Transaction,
  seq: number,
  record: JournalRecord & { t: 'upsert' },
): Promise<void> {
  const { logId, version, distributedId, target, complete, external } = record
  const { pieces, ...content } = version
  const name = nameOf(record)
  const open = (await txn.get<OpenVersion>(keys.open(name))) ?? openAs(name, version)
  putNumberless(txn, { ...content, state: 'open', ...(external && { external }) })
  txn.put(keys.pieces(version.id), pieces)
  txn.put(keys.part(open.id, open.parts), version.id)
  txn.put(keys.open(name), { ...open, parts: open.parts + 1 } satisfies OpenVersion)
  const answer: LogAnswer = { id: version.id, number: open.parts, unchanged: false }
  txn.put(keys.answer(logId), answer)
  if (!(await txn.get(keys.collection(version)))) {
    txn.put(keys.collection(version), { type: version.type, next: 0 } satisfies CollectionRow)
  }
  if (complete) await markComplete(txn, pieces)
  if (target) putPending(txn, seq, 'upsert', version, { logId, aliases: [], target, distributedId })
}

export async function applyClose(
  txn: Transaction,
  { t: _, at: __, ...name }: JournalRecord & { t: 'close' },
): Promise<void> {
  const open = await txn.get<OpenVersion>(keys.open(name))
  if (open) txn.put(keys.open(name), { ...open, closed: true } satisfies OpenVersion)
}

export async function applyFinish(
  txn: Transaction,
  seq: number,
  record: JournalRecord & { t: 'finish' },
  applyVersion: ApplyVersion,
): Promise<void> {
  const name = nameOf(record)
  const { version, number, external } = record
  // Its parts may have been lost from a damaged journal; what was made of them is here.
  const open = (await txn.get<OpenVersion>(keys.open(name))) ?? openAs(name, version)
  if (isRequest(record)) {
    const { pieces, ...content } = version
    putNumberless(txn, { ...content, state: 'closing', ...(external && { external }) })
    txn.put(keys.pieces(version.id), pieces)
    const answer: LogAnswer = { id: version.id, number, unchanged: false }
    txn.put(keys.answer(record.logId), answer)
    if (version.run) putEdge(txn, { role: 'output', run: version.run, version })
    putPending(txn, seq, 'finish', version, record)
    return
  }
  const { distributedId: _, onConflict: __, complete = false, ...rest } = record
  await applyVersion(txn, seq, { ...rest, t: 'version', complete })
  await leaveParts(txn, name, 'drop all')
  putFinished(txn, name, open, number)
}

/** What the remote's answer to an upsert, or to a request to finish, means for the open version. */
export async function settleOpen(
  txn: Transaction,
  item: PendingItem,
  number: number,
): Promise<void> {
  const row = await txn.get<VersionRow>(keys.version(item.versionId))
  const { entity, project, name, distributedId = '' } = item
  const openedAs = { entity, project, name, distributedId }
  if (item.kind === 'upsert') {
    const { error: _, ...part } = row ?? {}
    const remoteId = openVersionId(openedAs)
    if (row) txn.put(keys.version(row.id), { ...part, state: 'open', settled: true, remoteId })
    return
  }
  const open = await txn.get<OpenVersion>(keys.open(openedAs))
  if (open) putFinished(txn, openedAs, open, number)
  await leaveParts(txn, openedAs, row?.state === 'synced' ? 'drop settled' : 'keep')
  // The remote merged something else: what was here is no version, and is asked for there.
  if (row?.state === 'closing') dropVersion(txn, row.id)
}

/**
 * Leaves the parts, which are in the finished version now, so that their runs logged it, and drops what is
 * pending of them. What the remote has not taken is in no version that the remote made: only `drop all`,
 * for a version that was made here, drops it too. Where the finished version is not here, they are kept for
 * a remote that loses it.
 */
async function leaveParts(
  txn: Transaction,
  name: OpenName,
  how: 'drop all' | 'drop settled' | 'keep',
): Promise<void> {
  const id = openVersionId(name)
  for (const [key, partId] of await txn.list<string>(keyRange('part', id))) {
    const part = await txn.get<VersionRow>(keys.version(partId))
    if (how !== 'drop all' && !part?.settled) continue
    if (part?.run) putEdge(txn, { role: 'output', run: part.run, version: { ...part, id } })
    if (how === 'keep') continue
    txn.del(key)
    dropVersion(txn, partId)
  }
  for (const item of (await txn.list<PendingItem>(keyRange('pending'))).values()) {
    const ofThis =
      item.distributedId === name.distributedId &&
      item.entity === name.entity &&
      item.project === name.project &&
      item.name === name.name
    if (ofThis && !(how !== 'drop all' && item.kind === 'upsert')) txn.del(keys.pending(item.seq))
  }
}

function openAs(
  name: OpenName,
  { type, algorithm }: Pick<VersionContent, 'type' | 'algorithm'>,
): OpenVersion {
  return { id: openVersionId(name), type, algorithm, parts: 0, closed: false }
}

function dropVersion(txn: Transaction, id: string): void {
  txn.del(keys.version(id))
  txn.del(keys.pieces(id))
}

function putFinished(txn: Transaction, name: OpenName, open: OpenVersion, number: number): void {
  const finished: LogAnswer = { id: open.id, number, unchanged: false }
  txn.put(keys.open(name), { ...open, closed: true, finished } satisfies OpenVersion)
}

function nameOf({ version, distributedId }: UpsertRequest): OpenName {
  const { entity, project, name } = version
  return { entity, project, name, distributedId }
}

function putNumberless(txn: Transaction, row: Omit<VersionRow, 'number' | 'settled'>): void {
  const numberless: VersionRow = { ...row, number: NO_NUMBER, settled: false }
  txn.put(keys.version(row.id), numberless)
}
