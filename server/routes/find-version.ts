import type { RouteOptions } from 'fastify'
import { parseArtifactName } from '../../src/model/reference-name.js'
import { API_PATH } from '../../src/remote/messages.js'
import type { Store } from '../../src/store/store.js'
import { checkCollection } from '../check-request.js'

export function findVersion(store: Store): RouteOptions {
  return {
    method: 'GET',
    url: `${API_PATH}/entities/:entity/projects/:project/artifacts/:name/versions/:selector`,
    handler: async ({ params }) => {
      const collection = checkCollection(params)
      const { selector: text } = params as { selector: string }
      const suffix = /^[@:]/.test(text) ? text : `:${text}`
      const { selector } = parseArtifactName(`${collection.name}${suffix}`, collection)
      const { version } = await store.catalog.findVersion(collection, selector)
      return { version }
    },
  }
}
