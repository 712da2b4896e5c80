import { type Endpoint, listenAt } from '../ipc/endpoint.js'
import { type RpcHandler, serveRpc } from '../ipc/rpc.js'
import { homePaths } from '../model/home.js'
import { CATALOG_METHODS } from './catalog.js'
import { openLevelCatalog } from './open-level-catalog.js'

export interface Host {
  /** Stops listening, drains what is under way, and gives LevelDB up. */
  close(): Promise<void>
  /** Resolves when the host ended, by `close` or because its index could not be written. */
  ended: Promise<void>
}

/**
 * Takes the lock of a store's LevelDB and serves its catalog on a Unix socket.
 *
 * Besides the catalog's methods it has `tryLock(name)`: a lock that a connection holds until it
 * closes, so that a dead process holds nothing.
 *
 * @returns null when another process is the host.
 */
export async function serveCatalog(home: string): Promise<Host | null> {
  const catalog = await openLevelCatalog(home)
  if (!catalog) return null
  const locks = new Map<string, symbol>()
  const calls = new Set<Promise<unknown>>()
  let end = () => {}
  const ended = new Promise<void>(resolve => {
    end = resolve
  })

  const track: (handler: RpcHandler) => RpcHandler =
    handler =>
    async (...args) => {
      const call = handler(...args)
      calls.add(call)
      try {
        return await call
      } finally {
        calls.delete(call)
        if (catalog.broken) void close()
      }
    }
  const methods = Object.fromEntries(
    CATALOG_METHODS.map(name => [name, track((catalog[name] as RpcHandler).bind(catalog))]),
  )

  let endpoint: Endpoint
  try {
    endpoint = await listenAt(homePaths(home).host, 'host', socket => {
      const holder = Symbol('connection')
      const tryLock: RpcHandler = async (name: string) => {
        const current = locks.get(name)
        if (current === undefined) locks.set(name, holder)
        return current === undefined || current === holder
      }
      socket.on('close', () => {
        for (const [name, current] of locks) if (current === holder) locks.delete(name)
      })
      serveRpc(socket, { ...methods, tryLock })
    })
  } catch (error) {
    await catalog.close()
    throw error
  }

  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= (async () => {
      await Promise.allSettled([...calls])
      await endpoint.close()
      // Those that came in before their connection ended; they are asked again elsewhere.
      await Promise.allSettled([...calls])
      await catalog.close()
      end()
    })()
    return closing
  }
  return { close, ended }
}
