import { lookup } from 'node:dns/promises'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { destination, type LevelWithSilent, pino } from 'pino'
import { ArtifactError, isArtifactError, systemCode } from '../src/errors.js'
import { isLoopback } from '../src/net/is-loopback.js'
import { openStore, type Store } from '../src/store/store.js'
import { buildApp } from './app.js'
import { collectGarbage } from './collect-garbage.js'

/** How long `close` lets requests finish before it cuts them. */
const DRAIN_MS = 10_000

const UNAVAILABLE = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EAI_AGAIN', 'ENOTFOUND'])

export interface ServerOptions {
  /** The store to serve, an absolute path; made if there is none. */
  home: string
  /** A name or an address. A name is looked up once, and its address listened on. */
  host: string
  /** 0 takes any that is free. */
  port: number
  /** What clients must carry. Default: none, which is possible on loopback only. */
  key?: string
  /** Milliseconds between two collections of what no version needs. Default: there are none. */
  collectEvery?: number
  /** What is logged, as lines of JSON to stderr. Default `silent`. */
  log?: LevelWithSilent
}

export interface RunningServer {
  /** With the port that was taken. */
  url: string
  /** Stops listening, lets requests finish for up to 10 seconds, and closes the store. */
  close(): Promise<void>
}

/**
 * Serves a store over HTTP, until it is closed.
 *
 * @throws `SERVER_KEY_REQUIRED` for an address that is not loopback without a key;
 *   `ADDRESS_UNAVAILABLE`; as `openStore`.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { home, host, port, log = 'silent' } = options
  const key = options.key || undefined
  const { address, family } = await findAddress(host)
  if (key === undefined && !isLoopback(address)) {
    const message = `${host} can be reached from other machines, and no key is set`
    throw new ArtifactError('SERVER_KEY_REQUIRED', message, { details: { host, address } })
  }
  const store = openStore(home)
  const app = buildApp({ store, key, logger: pino({ level: log }, destination(2)) })
  let stopCollecting = async () => {}
  const close = async () => {
    await stopCollecting()
    await drain(app)
    await store.close()
  }
  try {
    await beginEra(store)
    await app.listen({ host: address, port })
  } catch (error) {
    await close()
    throw unavailable(error, `${host}:${port}`)
  }
  const { collectEvery: everyMs } = options
  if (everyMs !== undefined) stopCollecting = collectGarbage(store, { everyMs, logger: app.log })
  const { port: taken } = app.server.address() as AddressInfo
  return { url: `http://${family === 6 ? `[${address}]` : address}:${taken}`, close }
}

/** A store that cannot be written can be served to readers; its history goes no further. */
async function beginEra(store: Store): Promise<void> {
  try {
    await store.catalog.beginEra()
  } catch (error) {
    if (!isArtifactError(error, 'STORE_READ_ONLY')) throw error
  }
}

async function findAddress(host: string): Promise<{ address: string; family: number }> {
  if (host === '') throw new ArtifactError('INVALID_CONFIG', 'no host to listen on is given')
  try {
    return await lookup(host)
  } catch (error) {
    throw unavailable(error, host)
  }
}

function unavailable(error: unknown, where: string): unknown {
  const system = systemCode(error)
  if (system === undefined || !UNAVAILABLE.has(system)) return error
  const message = `cannot listen on ${where}: ${(error as Error).message}`
  return new ArtifactError('ADDRESS_UNAVAILABLE', message, {
    cause: error,
    details: { where, system },
  })
}

async function drain(app: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}
