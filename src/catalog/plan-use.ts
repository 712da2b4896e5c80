import type { Edge, VersionRef } from '../model/lineage.js'
import type { RunInfo } from '../model/version.js'
import type { VersionRow } from './apply-record.js'
import type { LogAnswer, LogRequest } from './catalog.js'
import { keys } from './keys.js'
import type { Plan } from './plan-commit.js'
import type { Transaction } from './transaction.js'

/** A run uses a version, which need not be here. */
export interface UseRequest extends Pick<LogRequest, 'target'> {
  logId: string
  run: RunInfo
  version: VersionRef
}

/** See `Catalog.use`. What is recorded already is no record: a run may ask a thousand times. */
export async function planUse(txn: Transaction, at: string, request: UseRequest): Promise<Plan> {
  const { logId, run, version, target } = request
  const { id, entity, project, name, type } = version
  const row = await txn.get<VersionRow>(keys.version(id))
  const answer: LogAnswer = { id, number: row?.number ?? 0, unchanged: true }
  const known = await txn.get<Edge>(keys.edgeOfVersion(id, 'input', run))
  if (known) return { answer }
  const ref = { id, entity, project, name, type }
  return {
    record: { t: 'use', at, logId, run, version: ref, ...(target && { target }) },
    answer,
  }
}
