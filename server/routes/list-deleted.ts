import type { RouteOptions } from 'fastify'
import { API_PATH, deletedRequest } from '../../src/remote/messages.js'
import type { Store } from '../../src/store/store.js'
import { checkMessage, checkServedEntity } from '../check-request.js'

export function listDeleted(store: Store): RouteOptions {
  return {
    method: 'POST',
    url: `${API_PATH}/entities/:entity/deleted`,
    handler: async ({ params, body }) => {
      const entity = checkServedEntity((params as { entity: string }).entity)
      const { ids } = checkMessage(body, deletedRequest)
      const rows = await store.catalog.findDeleted(ids)
      return { ids: rows.flatMap(row => (row?.entity === entity ? [row.id] : [])) }
    },
  }
}
