import type { PendingItem, SettledItem } from '../catalog/catalog.js'
import { ArtifactError, type ErrorData, isArtifactError } from '../errors.js'
import type { CommitItem, CommitResult } from '../model/commit.js'
import type { CollectionName, Version, VersionContent } from '../model/version.js'
import type { CommitAnswer } from '../remote/remote.js'
import { countDeleted, deleteItem, learnDeleted, nameHere, skipItem } from './delete-item.js'
import { editItem } from './edit-item.js'
import { findRemoteId } from './find-remote-id.js'
import { holdsOthers } from './holds-others.js'
import { importMerged } from './import-merged.js'
import { isItemFault } from './is-item-fault.js'
import { leaveOutUse } from './leave-out-use.js'
import { type PushSession, UploadMeter } from './push-session.js'
import { uploadPieces, type WantedPiece } from './upload-pieces.js'

/** Items in one commit. */
const ITEMS_A_COMMIT = 1000
/** Bytes of JSON in one commit, unless one item alone has more. */
const COMMIT_BYTES = 2 * 1024 * 1024
/** Commits in a row that bring nothing forward, before the remote is held to be broken. */
const MAX_IDLE_ROUNDS = 3

export interface Candidate {
  item: PendingItem
  /** The version, for an item of that kind. */
  version?: Version
  meter?: UploadMeter
  commit: CommitItem
  /** Ids here of versions that the remote names otherwise. */
  localIds?: Map<string, string>
}

/**
 * Pushes pending items of one collection, in their order. An item that cannot be synced is marked
 * with its error, and those behind it wait.
 *
 * @returns false when it stopped at such an item.
 * @throws whatever is not the fault of an item: those that are left stay pending.
 */
export async function pushCollection(
  session: PushSession,
  collection: CollectionName,
  items: PendingItem[],
): Promise<boolean> {
  for (let start = 0; start < items.length; ) {
    const batch = await readBatch(session, items, start)
    if (batch.length === 0 || !(await pushBatch(session, collection, batch))) return false
    start += batch.length
  }
  return true
}

async function readBatch(session: PushSession, items: PendingItem[], start: number) {
  const batch: Candidate[] = []
  let bytes = 0
  for (const item of items.slice(start, start + ITEMS_A_COMMIT)) {
    const candidate = await readCandidate(session, item)
    if (!candidate) {
      if (batch.length > 0) break
      const message = `the version @${item.versionId} is not in the store`
      await failItem(session, item, new ArtifactError('VERSION_NOT_FOUND', message))
      return []
    }
    bytes += JSON.stringify(candidate.commit).length
    if (batch.length > 0 && bytes > COMMIT_BYTES) break
    batch.push(candidate)
  }
  return batch
}

async function readCandidate(
  session: PushSession,
  item: PendingItem,
): Promise<Candidate | undefined> {
  const { context, remoteIds } = session
  const { kind, logId, versionId, aliases, run, distributedId = '', onConflict = 'error' } = item
  const there = remoteIds.get(versionId) ?? versionId
  if (kind === 'alias') {
    return { item, commit: { kind, logId, versionId: there, aliases, ...(run && { run }) } }
  }
  if (kind === 'use') return { item, commit: { kind, logId, versionId: there, run: run! } }
  if (kind === 'edit') return { item, commit: await editItem(session, item) }
  if (kind === 'delete') return deleteItem(session, item)
  if (kind === 'finish') {
    return { item, commit: { kind, logId, distributedId, aliases, onConflict } }
  }
  const version = await context.store.catalog.getVersion(versionId)
  if (!version) return skipItem(session, item)
  const content = contentOf(version)
  const commit: CommitItem =
    kind === 'upsert'
      ? { kind, logId, distributedId, version: content }
      : { kind, logId, version: content, aliases }
  return { item, version, meter: new UploadMeter(version), commit }
}

function contentOf(version: Version): VersionContent {
  const { number: _, aliases: __, state: ___, ...content } = version
  return content
}

/** Commits, sends what is asked for, and commits again until all are there or one cannot be. */
async function pushBatch(
  session: PushSession,
  collection: CollectionName,
  batch: Candidate[],
): Promise<boolean> {
  let rest = batch
  let wantedBefore = Number.POSITIVE_INFINITY
  for (let idle = 0; idle < MAX_IDLE_ROUNDS; ) {
    const results = await commit(session, collection, rest)
    const done = results.findIndex(result => result.status !== 'committed')
    if (done === -1) return rest.at(-1) === batch.at(-1)
    rest = rest.slice(done)
    const open = results.slice(done)
    const first = open[0]!
    if (first.status === 'refused') {
      if (await useRemoteId(session, rest[0]!, first.error)) continue
      if (await learnDeleted(session, rest[0]!, first.error)) {
        rest = rest.slice(1)
        if (rest.length === 0) return true
        continue
      }
      if (await leaveOutUse(session, rest[0]!.item, first.error)) {
        rest = rest.slice(1)
        if (rest.length === 0) return true
        continue
      }
      const error = ArtifactError.from(first.error, 'REMOTE_INVALID')
      if (error.retryable) throw error
      await failItem(session, rest[0]!.item, error)
      if (holdsOthers(rest[0]!.item, error)) return false
      rest = rest.slice(1)
      if (rest.length === 0) return true
      continue
    }
    const wanted = rest.map((candidate, index) => listWanted(session, candidate, open[index]!))
    const count = wanted.reduce((sum, pieces) => sum + pieces.length, 0)
    idle = done === 0 && count >= wantedBefore ? idle + 1 : 0
    wantedBefore = count
    const ready = await upload(session, rest, wanted)
    if (ready === 0) return false
    rest = rest.slice(0, ready)
  }
  throw new ArtifactError('REMOTE_INVALID', 'the remote keeps asking for what it was sent', {
    details: { url: session.remote.url, ...collection },
  })
}

async function commit(
  session: PushSession,
  collection: CollectionName,
  rest: Candidate[],
): Promise<CommitResult[]> {
  const items = rest.map(candidate => candidate.commit)
  let answer: CommitAnswer
  const since = (await session.mark()) ?? undefined
  try {
    answer = await session.call(
      (remote, options) => remote.commit(collection, items, { ...options, since }),
      rest.flatMap(({ meter }) => meter ?? []),
    )
  } catch (error) {
    // Nothing was read here, so that damage is that of the other side.
    const isTheirs =
      isArtifactError(error, 'BLOB_DAMAGED') || isArtifactError(error, 'BLOB_MISSING')
    if (isTheirs || !isItemFault(error)) throw error
    if (rest.length === 1) return [{ status: 'refused', error: error.toJSON() }]
    // Whichever of many is at fault is, in the end, the first of a smaller commit.
    return [...(await commit(session, collection, rest.slice(0, 1))), ...later(rest)]
  }
  const { results } = answer
  session.learn(answer.capabilities)
  if (results.length !== items.length) {
    throw new ArtifactError('REMOTE_INVALID', 'the remote answered for another number of items', {
      details: { url: session.remote.url, sent: items.length, answered: results.length },
    })
  }
  for (const [index, result] of results.entries()) {
    if (result.status !== 'committed') break
    const { item } = rest[index]!
    if (item.kind === 'finish') await importMerged(session, item, result.id)
  }
  await settle(session, rest, answer)
  return results
}

/** What is to be said of items that were not sent. */
function later(rest: Candidate[]): CommitResult[] {
  return rest.slice(1).map(() => ({ status: 'waiting', pieces: [] }))
}

async function settle(
  session: PushSession,
  rest: Candidate[],
  { storeId, results, capabilities }: CommitAnswer,
): Promise<void> {
  const { context, remoteIds, url } = session
  const settled: SettledItem[] = []
  const events: (() => void)[] = []
  for (const [index, result] of results.entries()) {
    if (result.status !== 'committed') break
    const { item, meter } = rest[index]!
    const { seq, kind, versionId: id, entity, project, name } = item
    const { number, unchanged } = result
    const conflicts = nameHere(rest[index]!, result.conflicts)
    const remoteId = result.id !== id ? result.id : undefined
    if (remoteId !== undefined) remoteIds.set(id, remoteId)
    settled.push({
      seq,
      number,
      ...(remoteId !== undefined && { remoteId }),
      ...(conflicts && { conflicts }),
    })
    events.push(() => {
      const deleted = countDeleted(rest[index]!, conflicts)
      const done = {
        kind,
        id,
        ...deleted,
        ...(remoteId !== undefined && { remoteId }),
        number,
        unchanged,
      }
      const bytesSkipped = meter && Math.max(0, meter.size - meter.blobBytes)
      const bytes = meter && { bytesSent: meter.bytesSent, bytesSkipped, retries: meter.retries }
      const synced = { ...done, entity, project, name, ...bytes, ...(conflicts && { conflicts }) }
      context.report.synced.push(synced)
      context.report.skippedBytes += bytesSkipped ?? 0
      context.emit({ type: 'synced', item: synced })
    })
  }
  if (settled.length === 0) return
  const history = capabilities?.history && { history: capabilities.history }
  await context.store.catalog.settle(storeId, settled, { url, ...history })
  session.remember({ storeId, ...history })
  for (const event of events) event()
}

/**
 * For an alias or a use of a version that the remote has under another id: makes the next commit name that.
 * False when this is not the reason of the refusal.
 */
async function useRemoteId(session: PushSession, candidate: Candidate, error: ErrorData) {
  const { item, commit } = candidate
  if (commit.kind !== 'alias' && commit.kind !== 'use') return false
  if (error.code !== 'VERSION_NOT_FOUND') return false
  const id = session.remoteIds.get(item.versionId) ?? (await findRemoteId(session, item))
  if (id === undefined || id === commit.versionId) return false
  session.remoteIds.set(item.versionId, id)
  candidate.commit = { ...commit, versionId: id }
  return true
}

function listWanted(
  session: PushSession,
  { version, meter }: Candidate,
  result: CommitResult,
): WantedPiece[] {
  if (result.status !== 'incomplete' && result.status !== 'waiting') return []
  if (!version || !meter || result.pieces.length === 0) return []
  const pieces = new Map(version.pieces.map(piece => [piece.digest, piece]))
  return [...new Set(result.pieces)].map(digest => {
    const piece = pieces.get(digest)
    if (piece) return { piece, meter }
    throw new ArtifactError(
      'REMOTE_INVALID',
      'the remote asks for a piece that is not of the version',
      {
        details: { url: session.remote.url, piece: digest, version: version.id },
      },
    )
  })
}

/**
 * Sends what the items want; together first, so that many small versions take few requests.
 * @returns how many items have all they need; the one after them failed.
 */
async function upload(
  session: PushSession,
  rest: Candidate[],
  wanted: WantedPiece[][],
): Promise<number> {
  const { entity } = rest[0]!.item
  try {
    for (const [index, pieces] of wanted.entries()) {
      if (pieces.length > 0) await checkDigest(session, rest[index]!)
    }
    const distinct = new Map(wanted.flat().map(item => [item.piece.digest, item]))
    await uploadPieces(session, entity, [...distinct.values()])
    return rest.length
  } catch (error) {
    if (!isItemFault(error)) throw error
  }
  for (const [index, pieces] of wanted.entries()) {
    try {
      if (pieces.length > 0) await checkDigest(session, rest[index]!)
      await uploadPieces(session, entity, pieces)
    } catch (error) {
      if (!isItemFault(error)) throw error
      await failItem(session, rest[index]!.item, error)
      return index
    }
  }
  return rest.length
}

/** @throws `DIGEST_NOT_ACCEPTED`, before anything is sent. */
async function checkDigest(session: PushSession, { version }: Candidate): Promise<void> {
  const { digests: accepted } = await session.capabilities()
  if (!version || accepted.includes(version.algorithm)) return
  const { algorithm } = version
  throw new ArtifactError(
    'DIGEST_NOT_ACCEPTED',
    `the remote takes ${accepted.join(', ')}, and this store's digest is ${algorithm}`,
    { details: { url: session.remote.url, accepted, algorithm } },
  )
}

async function failItem(
  { context }: PushSession,
  { seq, kind, versionId: id, entity, project, name }: PendingItem,
  error: ArtifactError,
): Promise<void> {
  const data = error.toJSON()
  await context.store.catalog.setPendingError(seq, data)
  const item = { kind, id, entity, project, name, error: data }
  context.report.failed.push(item)
  context.emit({ type: 'failed', item })
}
