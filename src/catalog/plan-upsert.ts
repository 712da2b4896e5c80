import { ArtifactError } from '../errors.js'
import { type OpenName, openVersionId } from '../model/open-version-id.js'
import { NO_NUMBER } from '../model/version.js'
import type { CollectionRow } from './apply-record.js'
import { isRequest } from './apply-upsert.js'
import type { LogAnswer } from './catalog.js'
import { keys } from './keys.js'
import type { FinishRequest, OpenVersion, UpsertRequest } from './open-version.js'
import { checkType, type Plan } from './plan-commit.js'
import type { Transaction } from './transaction.js'

/** See `Catalog.upsert`. */
export async function planUpsert(
  txn: Transaction,
  at: string,
  request: UpsertRequest,
): Promise<Plan> {
  const { logId, version, distributedId } = request
  const given = await txn.get<LogAnswer>(keys.answer(logId))
  if (given) return { answer: given }
  await checkType(txn, version)
  const { entity, project, name, algorithm } = version
  const open = await txn.get<OpenVersion>(keys.open({ entity, project, name, distributedId }))
  if (open?.closed) {
    throw new ArtifactError(
      'ARTIFACT_FINALIZED',
      `"${project}/${name}" of the group "${distributedId}" is finished, and takes no more`,
      { details: { project, name, distributedId, id: open.id } },
    )
  }
  if (open && open.algorithm !== algorithm) {
    throw new ArtifactError(
      'DIGEST_NOT_ACCEPTED',
      `"${project}/${name}" of the group "${distributedId}" has ${open.algorithm} digests, ` +
        `not ${algorithm}`,
      { details: { project, name, distributedId, algorithm: open.algorithm, given: algorithm } },
    )
  }
  const answer = { id: version.id, number: open?.parts ?? 0, unchanged: false }
  const { epoch: _, ...content } = request
  return { record: { t: 'upsert', at, ...content }, answer }
}

/** See `Catalog.closeOpen`. */
export async function planClose(txn: Transaction, at: string, name: OpenName): Promise<Plan> {
  const answer = { id: openVersionId(name), number: NO_NUMBER, unchanged: false }
  const open = await getOpen(txn, name)
  return open.closed ? { answer } : { record: { t: 'close', at, ...name }, answer }
}

/** See `Catalog.finish`. */
export async function planFinish(
  txn: Transaction,
  at: string,
  request: FinishRequest,
): Promise<Plan> {
  const { version, distributedId, logId } = request
  const given = await txn.get<LogAnswer>(keys.answer(logId))
  if (given) return { answer: given }
  const { entity, project, name } = version
  const open = await getOpen(txn, { entity, project, name, distributedId })
  if (open.finished) return { answer: open.finished }
  const collection = await txn.get<CollectionRow>(keys.collection(version))
  const number = isRequest(request) ? NO_NUMBER : (collection?.next ?? 0)
  const { epoch: _, ...content } = request
  return {
    record: { t: 'finish', at, number, ...content },
    answer: { id: version.id, number, unchanged: false },
  }
}

async function getOpen(txn: Transaction, name: OpenName): Promise<OpenVersion> {
  const open = await txn.get<OpenVersion>(keys.open(name))
  if (open) return open
  throw new ArtifactError(
    'VERSION_NOT_FOUND',
    `"${name.project}/${name.name}" has nothing of a group "${name.distributedId}"`,
    { details: { ...name } },
  )
}
