import type { Edge, VersionRef } from '../model/lineage.js'
import { keys } from './keys.js'
import type { Transaction } from './transaction.js'

/** Enters an edge under its version and under its run. Doing it twice changes nothing. */
export function putEdge(txn: Transaction, { role, run, version }: Edge): void {
  const { id, entity, project, name, type } = version satisfies VersionRef
  const edge: Edge = { role, run, version: { id, entity, project, name, type } }
  txn.put(keys.edgeOfVersion(id, role, run), edge)
  txn.put(keys.edgeOfRun(run, role, id), edge)
}
