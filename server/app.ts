import type { Socket } from 'node:net'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { ArtifactError } from '../src/errors.js'
import { STORE_HEADER } from '../src/remote/messages.js'
import { ReceivePool } from '../src/store/receive-pool.js'
import type { Store } from '../src/store/store.js'
import { requireKey, requireLocalHost } from './auth.js'
import { lingerAfterAnswers } from './linger.js'
import { listRoutes } from './list-routes.js'
import { parseBodies } from './parse-bodies.js'
import { sendError } from './send-error.js'

/** A connection on which nothing moves for this long is closed. */
const IDLE_MS = 5 * 60_000
/** Names have up to 128 characters, each of them up to 12 bytes when it is percent-encoded. */
const MAX_PARAM_LENGTH = 2048

export interface AppOptions {
  store: Store
  /** Every request must carry it. Default: none, and everything is open to whoever connects. */
  key?: string
  /** Default: nothing is logged. */
  logger?: Logger
}

/**
 * The native API over a store, apart from listening. It does not close the store.
 */
export function buildApp({ store, key, logger }: AppOptions): FastifyInstance {
  const app = Fastify({
    ...(logger && { loggerInstance: logger as FastifyBaseLogger }),
    connectionTimeout: IDLE_MS,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => {
      reply.header(STORE_HEADER, store.id)
      sendError(error, request, reply)
    },
  })
  app.addHook('onRequest', async (_, reply) => {
    reply.header(STORE_HEADER, store.id)
  })
  app.addHook('onRequest', key === undefined ? requireLocalHost : requireKey(key))
  parseBodies(app)
  lingerAfterAnswers(app)
  app.setErrorHandler(sendError)
  app.setNotFoundHandler(({ method, url }) => {
    throw new ArtifactError('ROUTE_NOT_FOUND', `there is no route ${method} ${url}`)
  })
  const pool = new ReceivePool(store)
  app.addHook('onClose', () => pool.close())
  for (const route of listRoutes(store, pool)) app.route(route)
  return app
}

/** Answers what is not HTTP. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const message = 'the request is not HTTP, or its headers are too large'
  const body = JSON.stringify({ error: { code: 'REQUEST_INVALID', message } })
  socket.end(
    'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n' +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
