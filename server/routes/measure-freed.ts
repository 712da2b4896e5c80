import type { RouteOptions } from 'fastify'
import pLimit from 'p-limit'
import { API_PATH, freedRequest, MAX_FREED_IDS } from '../../src/remote/messages.js'
import { measureFreed as measure } from '../../src/store/measure-freed.js'
import type { Store } from '../../src/store/store.js'
import { checkMessage, checkServedEntity } from '../check-request.js'

/** Each id with its quotes and a comma, and what is around them. */
const MAX_BODY_BYTES = MAX_FREED_IDS * 35 + 100

export function measureFreed(store: Store): RouteOptions {
  // Each holds the keys of everything that is stored.
  const limit = pLimit(1)
  return {
    method: 'POST',
    url: `${API_PATH}/entities/:entity/freed`,
    bodyLimit: MAX_BODY_BYTES,
    handler: async ({ params, body }, reply) => {
      checkServedEntity((params as { entity: string }).entity)
      const { ids } = checkMessage(body, freedRequest)
      const left = new AbortController()
      reply.raw.once('close', () => left.abort())
      return { bytes: await limit(() => measure(store, new Set(ids), { signal: left.signal })) }
    },
  }
}
