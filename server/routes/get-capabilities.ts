import type { RouteOptions } from 'fastify'
import { API_PATH } from '../../src/remote/messages.js'
import type { Store } from '../../src/store/store.js'
import { checkSince } from '../check-since.js'
import { describeServer } from '../describe-server.js'

export function getCapabilities(store: Store): RouteOptions {
  return {
    method: 'GET',
    url: `${API_PATH}/capabilities`,
    handler: async request => {
      await checkSince(store, request)
      return describeServer(store)
    },
  }
}
