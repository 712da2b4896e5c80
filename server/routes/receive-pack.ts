import type { IncomingMessage } from 'node:http'
import type { RouteOptions } from 'fastify'
import { ArtifactError } from '../../src/errors.js'
import { API_PATH } from '../../src/remote/messages.js'
import type { SendResult } from '../../src/remote/remote.js'
import type { ReceivePool } from '../../src/store/receive-pool.js'
import type { Store } from '../../src/store/store.js'
import { checkServedEntity, checkStream } from '../check-request.js'
import { holdSession } from '../hold-session.js'

export function receivePack(store: Store, pool: ReceivePool): RouteOptions {
  return {
    method: 'POST',
    url: `${API_PATH}/entities/:entity/packs`,
    handler: async (request): Promise<SendResult> => {
      const { params, body } = request
      await holdSession(store, request)
      checkServedEntity((params as { entity: string }).entity)
      const { stored, rejected } = await pool.receive(readBody(checkStream(body)))
      return { stored, rejected }
    },
  }
}

/** Leaves the request open when its reader stops, so that it can be answered. */
async function* readBody(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const part of request.iterator({ destroyOnReturn: false })) yield part as Buffer
  } catch (error) {
    throw new ArtifactError('PACK_INVALID', 'the connection was cut', { cause: error })
  }
}
