import type { RouteOptions } from 'fastify'
import { checkRun } from '../../src/model/check-run.js'
import { checkId } from '../../src/model/names.js'
import { edgesRequest } from '../../src/remote/lineage-messages.js'
import { API_PATH } from '../../src/remote/messages.js'
import type { Store } from '../../src/store/store.js'
import { checkMessage, checkServedEntity } from '../check-request.js'

export function listEdges(store: Store): RouteOptions {
  return {
    method: 'POST',
    url: `${API_PATH}/entities/:entity/edges`,
    handler: async ({ params, body }) => {
      const entity = checkServedEntity((params as { entity: string }).entity)
      const { queries, after } = checkMessage(body, edgesRequest)
      for (const query of queries) {
        if ('run' in query) checkRun(query.run)
        else checkId(query.versionId)
      }
      const { items, next } = await store.catalog.listEdges(queries, after)
      // What a run did with versions of others is not theirs to know who may read this entity only.
      const own = items.filter(({ version }) => version.entity === entity)
      return { items: own, ...(next !== undefined && { next }) }
    },
  }
}
