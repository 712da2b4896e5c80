import type { Socket } from 'node:net'
import { isReadOnly, readOnlyError } from '../disk/check-writable.js'
import type { ProtocolRange } from '../ipc/announcement.js'
import { type Endpoint, IPC_PROTOCOL, listenAt } from '../ipc/endpoint.js'
import { answerCall, type Caller, ConnectionLost, type RpcHandler, serveRpc } from '../ipc/rpc.js'
import { homePaths } from '../model/home.js'
import { CATALOG_METHODS, type Catalog, HOST_ROLE } from './catalog.js'
import type { LevelCatalog } from './level-catalog.js'
import { openLevelCatalog } from './open-level-catalog.js'
import { createReadCopy, type ReadCopy } from './read-copy.js'

export interface HostOptions {
  /** What it says to speak. Default {@link IPC_PROTOCOL}. */
  protocol?: ProtocolRange
  /** Called when a newer program asks this host to make room for it, before it ends. */
  onRetire?: () => void
  /** Default true: the thread stays while this host is there. */
  keepAlive?: boolean
}

export interface Host {
  /** Where it announced itself. */
  folder: string
  /** For calls from this thread. */
  connect(): Caller
  /** Stops listening, drains what is under way, and gives LevelDB up. */
  close(): Promise<void>
  /** Resolves when the host ended, by `close` or because its index could not be written. */
  ended: Promise<void>
}

/**
 * Takes the lock of a store's LevelDB and serves its catalog on a Unix socket. It listens as soon
 * as it has the lock; calls wait while it reads the journal.
 *
 * Besides the catalog's methods it has `tryLock(name)`: a lock that a connection holds until it
 * closes, so that a dead process holds nothing; and `retire()`, by which a newer program asks it
 * to end.
 *
 * A store that this process cannot write is served to this process alone, from a copy of its
 * index; calls that would change it fail with `STORE_READ_ONLY`.
 *
 * @returns null when another process is the host.
 */
export async function serveCatalog(home: string, options: HostOptions = {}): Promise<Host | null> {
  const copy = isReadOnly(home) ? await createReadCopy(home) : undefined
  let host: Host | null = null
  try {
    host = await new CatalogHost(home, copy, options).open()
    return host
  } finally {
    if (!host) await copy?.close()
  }
}

class CatalogHost implements Host {
  readonly folder: string
  readonly ended: Promise<void>
  readonly #home: string
  readonly #copy: ReadCopy | undefined
  readonly #options: HostOptions
  readonly #methods: Record<string, RpcHandler>
  readonly #locks = new Map<string, symbol>()
  readonly #calls = new Set<Promise<unknown>>()
  readonly #opened: Promise<LevelCatalog | null>
  #endpoint: Endpoint | undefined
  #closing: Promise<void> | undefined
  #end = () => {}

  constructor(home: string, copy: ReadCopy | undefined, options: HostOptions) {
    this.#home = home
    this.#copy = copy
    this.#options = options
    const names = Object.keys(CATALOG_METHODS) as (keyof Catalog)[]
    this.#methods = Object.fromEntries(names.map(name => [name, this.#handle(name)]))
    this.folder = copy?.path ?? homePaths(home).host
    this.ended = new Promise(resolve => {
      this.#end = resolve
    })
    this.#opened = openLevelCatalog(home, { path: copy?.catalog, onLock: () => this.#listen() })
  }

  async open(): Promise<Host | null> {
    try {
      return (await this.#opened) && this
    } catch (error) {
      await this.#endpoint?.close()
      throw error
    }
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      // Why it did not open, `open` tells.
      const catalog = await this.#opened.catch(() => null)
      await Promise.allSettled([...this.#calls])
      await this.#endpoint?.close()
      // Those that came in before their connection ended; they are asked again elsewhere.
      await Promise.allSettled([...this.#calls])
      // As long as it has the lock, no other host announces itself.
      if (catalog) this.#endpoint?.withdraw()
      await catalog?.close()
      await this.#copy?.close()
      this.#end()
    })()
    return this.#closing
  }

  connect(): Caller {
    const holder = Symbol('caller')
    const methods = this.#methodsOf(holder)
    const call = async <T>(method: string, args: unknown[]) => {
      if (this.#closing) throw new ConnectionLost('the host is ending')
      return (await answerCall(methods, method, args)) as T
    }
    return { call, closed: this.ended, close: () => this.#unlockAll(holder) }
  }

  async #listen(): Promise<void> {
    const { protocol = IPC_PROTOCOL, keepAlive = true } = this.#options
    const locateRows = this.#handle('locate', 'locateRows')
    const serve = (socket: Socket) => {
      const holder = Symbol('connection')
      socket.on('close', () => this.#unlockAll(holder))
      serveRpc(socket, { ...this.#methodsOf(holder), locate: locateRows })
    }
    this.#endpoint = await listenAt(this.folder, HOST_ROLE, serve, { protocol, keepAlive })
  }

  #methodsOf(holder: symbol): Record<string, RpcHandler> {
    return {
      ...this.#methods,
      tryLock: async (name: string) => this.#tryLock(name, holder),
      retire: async () => this.#retire(),
    }
  }

  #handle(name: keyof Catalog, method: keyof LevelCatalog = name): RpcHandler {
    if (this.#copy && CATALOG_METHODS[name] === 'writes') {
      return async () => {
        throw readOnlyError(this.#home)
      }
    }
    return async (...args) => {
      const catalog = await this.#opened
      // The connection is about to end, and the caller asks elsewhere.
      if (!catalog) return new Promise(() => {})
      const call = (catalog[method] as RpcHandler)(...args)
      this.#calls.add(call)
      try {
        return await call
      } finally {
        this.#calls.delete(call)
        if (catalog.broken) void this.close()
      }
    }
  }

  #tryLock(name: string, holder: symbol): boolean {
    if (this.#copy) throw readOnlyError(this.#home)
    const held = this.#locks.get(name)
    if (held === undefined) this.#locks.set(name, holder)
    return held === undefined || held === holder
  }

  #unlockAll(holder: symbol): void {
    for (const [name, held] of this.#locks) if (held === holder) this.#locks.delete(name)
  }

  #retire(): void {
    this.#options.onRetire?.()
    void this.close()
  }
}
