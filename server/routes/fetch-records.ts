import { Readable } from 'node:stream'
import type { RouteOptions } from 'fastify'
import { encodePackStream } from '../../src/pack/encode-pack-stream.js'
import { decodeKeyRows, MAX_KEYS_BYTES } from '../../src/remote/key-rows.js'
import { API_PATH, PACK_TYPE } from '../../src/remote/messages.js'
import { openRecords } from '../../src/store/open-records.js'
import type { Store } from '../../src/store/store.js'
import { checkBytes, checkServedEntity } from '../check-request.js'

export function fetchRecords(store: Store): RouteOptions {
  return {
    method: 'POST',
    url: `${API_PATH}/entities/:entity/fetch`,
    bodyLimit: MAX_KEYS_BYTES,
    handler: async ({ params, body, log }, reply) => {
      checkServedEntity((params as { entity: string }).entity)
      const onSkip = (error: Error) => log.error({ err: error }, 'a record cannot be read')
      const records = openRecords(store, decodeKeyRows(checkBytes(body)), { onSkip })
      const pack = Readable.from(encodePackStream(records), { objectMode: false })
      return reply.type(PACK_TYPE).send(pack)
    },
  }
}
