import type { RouteOptions } from 'fastify'
import { keyRange } from '../../src/catalog/keys.js'
import { ArtifactError } from '../../src/errors.js'
import { checkName, checkProject, checkType } from '../../src/model/names.js'
import { API_PATH, listQuery } from '../../src/remote/messages.js'
import type { Store } from '../../src/store/store.js'
import { checkMessage, checkServedEntity } from '../check-request.js'

export function listVersions(store: Store): RouteOptions {
  return {
    method: 'GET',
    url: `${API_PATH}/versions`,
    handler: async ({ query }) => {
      const { entity, project, name, type, after } = checkMessage(query, listQuery)
      checkServedEntity(entity)
      if (project !== undefined) checkProject(project)
      if (name !== undefined) checkName(name)
      if (type !== undefined) checkType(type)
      if (after !== undefined) checkAfter(after, entity)
      return store.catalog.listVersions({ entity, project, name, type }, after)
    },
  }
}

/** It was given as `next`, so it lies among the versions of the entity. */
function checkAfter(after: string, entity: string): void {
  const { gte, lt } = keyRange('number', entity)
  if (after >= gte && after < lt) return
  throw new ArtifactError('REQUEST_INVALID', '"after" is not the "next" of a page')
}
