import type { RouteOptions } from 'fastify'
import { ALGORITHMS, type Algorithm } from '../../src/model/digest.js'
import { DEFAULT_ENTITY } from '../../src/model/names.js'
import { API_PATH, PROTOCOL } from '../../src/remote/messages.js'
import type { Capabilities } from '../../src/remote/remote.js'
import type { Store } from '../../src/store/store.js'

export function getCapabilities(store: Store): RouteOptions {
  return {
    method: 'GET',
    url: `${API_PATH}/capabilities`,
    handler: async (): Promise<Capabilities> => ({
      storeId: store.id,
      protocol: PROTOCOL,
      digests: Object.keys(ALGORITHMS) as Algorithm[],
      entity: DEFAULT_ENTITY,
    }),
  }
}
