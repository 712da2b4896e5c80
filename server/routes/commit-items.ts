import type { RouteOptions } from 'fastify'
import { API_PATH, commitRequest, MAX_COMMIT_BYTES } from '../../src/remote/messages.js'
import { acceptItems } from '../../src/store/accept-items.js'
import type { Store } from '../../src/store/store.js'
import { checkCollection, checkMessage } from '../check-request.js'
import { checkSince } from '../check-since.js'
import { describeServer } from '../describe-server.js'
import { holdSession } from '../hold-session.js'

export function commitItems(store: Store): RouteOptions {
  return {
    method: 'POST',
    url: `${API_PATH}/entities/:entity/projects/:project/artifacts/:name/commit`,
    bodyLimit: MAX_COMMIT_BYTES,
    handler: async request => {
      const { params, body } = request
      const collection = checkCollection(params)
      const { items } = checkMessage(body, commitRequest)
      await checkSince(store, request)
      await holdSession(store, request)
      const results = await acceptItems(store, collection, items)
      return { capabilities: await describeServer(store), results }
    },
  }
}
