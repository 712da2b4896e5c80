import { isDeepStrictEqual } from 'node:util'
import { ArtifactError } from '../errors.js'
import type { Piece } from '../model/entry.js'
import type { Edge } from '../model/lineage.js'
import type { CollectionName } from '../model/version.js'
import { keepEdited } from './apply-edit.js'
import { type AliasRow, type CollectionRow, listDropped, type VersionRow } from './apply-record.js'
import type { AliasRequest, ImportRequest, LogAnswer, LogRequest, PlacedKey } from './catalog.js'
import type { DeletedVersion } from './changing.js'
import { isOnRemote } from './is-on-remote.js'
import { keys } from './keys.js'
import { deletedError } from './plan-delete.js'
import type { JournalRecord } from './records.js'
import { listRemovable } from './remove-places.js'
import type { Transaction } from './transaction.js'

/** What a commit answers, and what it writes into the journal, if it changes anything there. */
export interface Plan {
  record?: JournalRecord
  answer: LogAnswer
}

/** Of commits that name no version. */
export const NO_ANSWER: LogAnswer = { id: '', number: 0, unchanged: false }

/** See `Catalog.log`. Unless it says otherwise, a plan puts nothing into the transaction. */
export async function planLog(txn: Transaction, at: string, request: LogRequest): Promise<Plan> {
  const { logId, version, aliases, target, complete = false, packs, objects, external } = request
  const given = await txn.get<LogAnswer>(keys.answer(logId))
  if (given) return { answer: given }
  const collection = await checkType(txn, version)
  if (request.after !== undefined && !(await txn.get(keys.answer(request.after)))) {
    throw new ArtifactError('LATEST_MOVED', `what goes before @${version.id} was not committed`)
  }
  const latest = await txn.get<AliasRow>(keys.alias(version, 'latest'))
  if (request.ifLatest !== undefined && request.ifLatest !== (latest?.id ?? null)) {
    const { project, name } = version
    const message = `another version of "${project}/${name}" is the latest by now`
    throw new ArtifactError('LATEST_MOVED', message, { details: { latest: latest?.id ?? null } })
  }
  if (request.base !== undefined) await expectNotDeleted(txn, request.base)
  if (latest && (await hasPieces(txn, latest.id, version.pieces))) {
    const { run } = version
    const same = { logId, versionId: latest.id, aliases, target, run }
    const isStored = request.base === undefined
    return isStored ? planUnchanged(txn, at, same) : planAliases(txn, at, same)
  }
  const number = collection?.next ?? 0
  const base = request.base !== undefined && (await txn.get<VersionRow>(keys.version(request.base)))
  const record: JournalRecord = {
    t: 'version',
    at,
    logId,
    version,
    number,
    aliases,
    ...(target && { target }),
    complete,
    packs,
    objects,
    ...(external && { external }),
    ...(base && base.evicted !== undefined && { evicted: 'base' }),
  }
  return { record, answer: { id: version.id, number, unchanged: false } }
}

/** @throws `VERSION_DELETED`. */
export async function expectNotDeleted(txn: Transaction, id: string): Promise<void> {
  const gone = await txn.get<DeletedVersion>(keys.deleted(id))
  if (gone) throw deletedError(gone)
}

/** Of a version that was evicted, everything has just been stored again. */
async function planUnchanged(txn: Transaction, at: string, request: AliasRequest): Promise<Plan> {
  const plan = await planAliases(txn, at, request)
  const row = await txn.get<VersionRow>(keys.version(request.versionId))
  if (plan.record?.t !== 'alias' || !row?.evicted) return plan
  return { ...plan, record: { ...plan.record, whole: true } }
}

/** See `Catalog.moveAliases`. With a `target` the move is pending. */
export async function planAliases(
  txn: Transaction,
  at: string,
  { logId, versionId, aliases, target, run }: AliasRequest,
): Promise<Plan> {
  const given = await txn.get<LogAnswer>(keys.answer(logId))
  if (given) return { answer: given }
  const row = await txn.get<VersionRow>(keys.version(versionId))
  if (!row) await expectNotDeleted(txn, versionId)
  if (!row) {
    throw new ArtifactError('VERSION_NOT_FOUND', `there is no version @${versionId}`, {
      details: { id: versionId },
    })
  }
  const moved: string[] = []
  for (const alias of aliases) {
    const current = await txn.get<AliasRow>(keys.alias(row, alias))
    if (current?.id !== versionId || current.removed) moved.push(alias)
  }
  const logged = run && (await txn.get<Edge>(keys.edgeOfVersion(versionId, 'output', run)))
  return {
    record: {
      ...{ t: 'alias', at, logId, versionId, aliases: moved },
      ...(target && { target }),
      ...(run && !logged && { run }),
    },
    answer: { id: versionId, number: row.number, unchanged: true },
  }
}

/**
 * See `Catalog.import`. What brings nothing new is no record: it puts the time of the answer into
 * the index, from which a rebuild takes it back to the last record.
 */
export async function planImport(
  txn: Transaction,
  at: string,
  { version, epoch: __, ...rest }: ImportRequest,
): Promise<Plan> {
  await checkType(txn, version)
  await expectNotDeleted(txn, version.id)
  const answer = { id: version.id, number: version.number, unchanged: false }
  const { pieces: _, aliases, ...content } = version
  const rows = await Promise.all(
    aliases.map(async alias => {
      const key = keys.alias(version, alias)
      return { key, row: await txn.get<AliasRow>(key) }
    }),
  )
  const known = await txn.get<VersionRow>(keys.version(version.id))
  const held = { ...known, ...content, ...keepEdited(known), state: 'synced', settled: true }
  const isKnown =
    rest.packs.length + rest.objects.length === 0 &&
    (rest.manifestOnly || !known?.evicted) &&
    isDeepStrictEqual(known, held) &&
    rows.every(({ row }) => row?.pending !== undefined || row?.id === version.id) &&
    (await listDropped(txn, version)).length === 0
  if (!isKnown) return { record: { t: 'import', at, version, ...rest }, answer }
  for (const { key, row } of rows) {
    if (row?.pending === undefined) txn.put(key, { ...row, asOf: rest.asOf })
  }
  return { answer }
}

/** See `Catalog.remove`. */
export async function planRemoval(
  txn: Transaction,
  at: string,
  { places, home }: { places: PlacedKey[]; home: string },
): Promise<Plan> {
  const gone = await listRemovable(txn, home, places)
  return {
    ...(gone.length > 0 && { record: { t: 'removed', at, places: gone } }),
    answer: NO_ANSWER,
  }
}

/** See `Keeping.evict`. */
export async function planEviction(txn: Transaction, at: string, ids: string[]): Promise<Plan> {
  const rows = await Promise.all(ids.map(id => txn.get<VersionRow>(keys.version(id))))
  const gone = ids.filter((_, index) => {
    const row = rows[index]
    return row && isOnRemote(row) && row.evicted !== true
  })
  return {
    ...(gone.length > 0 && { record: { t: 'evicted', at, ids: gone } }),
    answer: NO_ANSWER,
  }
}

/** @throws `TYPE_CONFLICT`. */
export async function checkType(
  txn: Transaction,
  version: CollectionName & { type: string },
): Promise<CollectionRow | undefined> {
  const collection = await txn.get<CollectionRow>(keys.collection(version))
  if (!collection || collection.type === version.type) return collection
  const name = `${version.project}/${version.name}`
  throw new ArtifactError(
    'TYPE_CONFLICT',
    `"${name}" has the type "${collection.type}", not "${version.type}"`,
    { details: { name, type: collection.type, given: version.type } },
  )
}

async function hasPieces(txn: Transaction, id: string, pieces: Piece[]): Promise<boolean> {
  const known = await txn.get<Piece[]>(keys.pieces(id))
  return (
    known?.length === pieces.length &&
    known.every(({ digest }, index) => digest === pieces[index]?.digest)
  )
}
