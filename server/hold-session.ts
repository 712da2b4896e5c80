import type { FastifyRequest } from 'fastify'
import { ArtifactError } from '../src/errors.js'
import { isSessionId, SESSION_HEADER } from '../src/remote/session-header.js'
import type { Store } from '../src/store/store.js'

/** After its last request. By the clock of this machine alone. */
const SESSION_SECONDS = 3600

/**
 * Keeps for the session of a request what it is told of from here on, and what it was told before.
 * @throws `REQUEST_INVALID`.
 */
export async function holdSession(store: Store, { headers }: FastifyRequest): Promise<void> {
  const id = headers[SESSION_HEADER]
  if (id === undefined) return
  if (!isSessionId(id)) {
    throw new ArtifactError('REQUEST_INVALID', `${SESSION_HEADER} is not 32 hex digits`)
  }
  await store.catalog.hold(id, SESSION_SECONDS)
}
