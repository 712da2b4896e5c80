import type { FastifyRequest } from 'fastify'
import { ArtifactError } from '../src/errors.js'
import { parseSince, SINCE_HEADER } from '../src/remote/since-header.js'
import type { Store } from '../src/store/store.js'

/**
 * Refuses a request whose sender knows more of the store's history than the store does.
 *
 * @throws `HISTORY_LOST` when this is another store than before, or an older state of it;
 *   `REQUEST_INVALID`.
 */
export async function checkSince(store: Store, { headers }: FastifyRequest): Promise<void> {
  const text = headers[SINCE_HEADER]
  if (text === undefined) return
  const mark = typeof text === 'string' ? parseSince(text) : undefined
  if (!mark) throw new ArtifactError('REQUEST_INVALID', `${SINCE_HEADER} is not well formed`)
  const { storeId, history } = mark
  if (storeId !== store.id) {
    throw lost(`the store is ${store.id} now, and was ${storeId} before`, { storeId: store.id })
  }
  if (!history || (await store.catalog.knows(history))) return
  throw lost('the store was put back to an earlier state', { storeId })
}

function lost(message: string, details: Record<string, unknown>): ArtifactError {
  return new ArtifactError('HISTORY_LOST', message, { details })
}
