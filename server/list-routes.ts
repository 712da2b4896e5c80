import type { RouteOptions } from 'fastify'
import type { ReceivePool } from '../src/store/receive-pool.js'
import type { Store } from '../src/store/store.js'
import { commitItems } from './routes/commit-items.js'
import { fetchRecords } from './routes/fetch-records.js'
import { findVersion } from './routes/find-version.js'
import { getCapabilities } from './routes/get-capabilities.js'
import { listDeleted } from './routes/list-deleted.js'
import { listEdges } from './routes/list-edges.js'
import { listMissing } from './routes/list-missing.js'
import { listVersions } from './routes/list-versions.js'
import { measureFreed } from './routes/measure-freed.js'
import { receivePack } from './routes/receive-pack.js'

/** The native API over a store: every route that docs/protocol.md describes. */
export function listRoutes(store: Store, pool: ReceivePool): RouteOptions[] {
  return [
    getCapabilities(store),
    commitItems(store),
    listMissing(store),
    receivePack(store, pool),
    fetchRecords(store),
    findVersion(store),
    listVersions(store),
    listDeleted(store),
    measureFreed(store),
    listEdges(store),
  ]
}
