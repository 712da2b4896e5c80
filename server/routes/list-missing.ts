import type { RouteOptions } from 'fastify'
import { decodeKeyRows, encodeIndices, MAX_KEYS_BYTES } from '../../src/remote/key-rows.js'
import { API_PATH, INDICES_TYPE } from '../../src/remote/messages.js'
import { listAbsent } from '../../src/store/list-absent.js'
import type { Store } from '../../src/store/store.js'
import { checkBytes, checkServedEntity } from '../check-request.js'
import { holdSession } from '../hold-session.js'

export function listMissing(store: Store): RouteOptions {
  return {
    method: 'POST',
    url: `${API_PATH}/entities/:entity/missing`,
    bodyLimit: MAX_KEYS_BYTES,
    handler: async (request, reply) => {
      const { params, body } = request
      await holdSession(store, request)
      checkServedEntity((params as { entity: string }).entity)
      const missing = await listAbsent(store, decodeKeyRows(checkBytes(body)))
      return reply.type(INDICES_TYPE).send(encodeIndices(missing))
    },
  }
}
